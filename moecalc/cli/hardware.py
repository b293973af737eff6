"""`moecalc hardware [FILTER]`."""

from typing import Annotated

import typer

from moecalc.cli import options
from moecalc.cli.output import emit
from moecalc.errors import InputError
from moecalc.render.layout import bold, table, width
from moecalc.report import Report
from moecalc.specs.hardware import Accelerator, Format, accelerators
from moecalc.units import format_bytes_binary

EXAMPLES = (
    "moecalc hardware",
    "moecalc hardware h100 --json",
)


def command(
    filter_: Annotated[str, typer.Argument(metavar="[FILTER]", help="Part of a name, alias or vendor.")] = "",
    json: options.JsonOption = False,
) -> None:
    """Accelerators: memory, bandwidth, peaks, price.

    Peaks are dense, prices carry their date. A dash is a figure nobody published.
    """
    wanted = filter_.lower()
    found = [
        device
        for device in accelerators()
        if wanted in " ".join([device.name, str(device.vendor), device.label, *device.aliases]).lower()
    ]
    if not found:
        raise InputError(f"no device matches `{filter_}`", hint="`moecalc hardware` lists all")
    if json:
        import msgspec

        from moecalc.render.json import report_json

        emit(
            report_json(Report(command="hardware", models=(), extra={"devices": msgspec.to_builtins(found)}))
        )
        return
    header = ["name", "memory", "GB/s", "16-bit TF", "fp8 TF", "fp4 TF", "W", "$/h", "price of"]
    rows = [header, *[_row(device) for device in found]]
    align = "<>>>>>>><"
    lines = table(rows, align)
    if max(map(len, lines)) > width():
        lines = table([row[:5] + row[-1:] for row in [header, *map(_narrow_row, found)]], "<>>>><")
    note = "memory: what can be allocated, else what the driver reports, else as advertised (~); peaks dense"
    emit("\n".join([bold(lines[0]), *lines[1:], "", note]))


def _narrow_row(device: Accelerator) -> list[str]:
    """The row with price and date in one cell: a price without its date is worth nothing."""
    price = device.price()
    said = f"${price.usd_per_gpu_hour:.2f}/h, {price.date or 'undated'}" if price else "-"
    return [*_row(device)[:-1], said]


def _row(device: Accelerator) -> list[str]:
    usable, price = device.usable_bytes(), device.price()
    memory = "-"
    if usable is not None:
        memory = ("~" if usable.basis == "assumed" else "") + format_bytes_binary(usable.bytes)
    return [
        device.name,
        memory,
        f"{device.bandwidth.bytes_per_second / 1e9:,.0f}" if device.bandwidth else "-",
        *[_peak(device, *names) for names in (("bf16", "fp16"), ("fp8",), ("fp4",))],
        f"{device.tdp.watts:,}" if device.tdp else "-",
        f"{price.usd_per_gpu_hour:.2f}" if price else "-",
        f"{price.provider}, {price.date or 'undated'}" if price else "",
    ]


def _peak(device: Accelerator, *names: Format) -> str:
    """The dense peak of the first of the formats that has one, in TFLOP/s."""
    peak = next((peak for name in names if (peak := device.peak(name)) is not None), None)
    return f"{peak.per_second / 1e12:,.4g}" if peak else "-"
