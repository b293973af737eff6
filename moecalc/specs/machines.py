"""What a machine and the network between machines are taken to be where no source says it of a device."""

MACHINE = 8
"""Devices of one machine, as of DGX A100, H100, H200 and B200: a network joins more. Tensor parallelism beyond it is
not tried, nor are more devices that no link joins."""

NETWORK_BYTES_PER_SECOND = 50 * 10**9
"""400 Gb/s for each GPU, both in Llama 3's cluster (arXiv 2407.21783, section 3.3.1) and DeepSeek-V3's (ConnectX-7;
arXiv 2505.09343, section 5.1)."""
