"""What errors of torch say: most of them are RuntimeErrors with pages of advice."""

WORDS = (
    "out of memory",  # torch's allocator and the CUDA runtime
    "ALLOC_FAILED",  # cuBLAS, cuDNN, cuSOLVER
    "can't allocate memory",  # torch on a CPU
    "not enough memory",  # the same on Windows
)


def first_line(error: BaseException) -> str:
    """What an error says, without the advice and the traces that follow."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or numpy is about memory."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)
