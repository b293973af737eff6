"""`moecalc fit` without devices: which ones hold the model, a quantization to a row."""

from collections.abc import Sequence

from moecalc.calc.deploy.fitted import Offer, Offers
from moecalc.render.fit_words import assumed_words
from moecalc.render.layout import bold, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.units import format_bytes_decimal

PRICED = 2
"""Devices with a price that are named for each quantization: the cheapest by the hour."""


def offers_text(offers: Offers, columns: int) -> str:
    """A quantization to a row, the cheapest devices beside it, then the fewest."""
    lines = [*paragraph(_title(offers), columns, "  "), ""]
    rows = offer_rows(offers)
    laid = table(rows, "<><<<<")
    for dropped in ("then", "one machine", "fewest"):
        if max(map(len, laid)) > columns:
            column = rows[0].index(dropped)
            rows = [row[:column] + row[column + 1 :] for row in rows]
            laid = table(rows, "<>" + "<" * (len(rows[0]) - 2))
    lines = [*map(bold, lines), bold(laid[0]), *laid[1:], ""]
    for remark in [*remarks(offers, rows[0]), *(f"warning: {warning}" for warning in offers.warnings)]:
        lines += paragraph(remark, columns, "  ")
    return "\n".join(lines)


def offers_markdown(offers: Offers) -> str:
    """The same as a Markdown table."""
    rows = offer_rows(offers)
    said = [f"**{_title(offers)}**", markdown_table(rows), *remarks(offers, rows[0])]
    return "\n\n".join([*said, *(f"warning: {warning}" for warning in offers.warnings)])


def offer_rows(offers: Offers) -> list[list[str]]:
    """A header, then each quantization with its size and the devices that hold it."""
    rows = [["quantization", "weights", "cheapest", "then", "fewest", "one machine"]]
    for quant, size in offers.weight_bytes.items():
        priced = [offer for offer in offers.of(quant) if offer.usd_per_hour is not None]
        cheapest = [_offer(offer) for offer in priced[:PRICED]]
        fewest, machine = offers.fewest(quant), offers.machine(quant)
        rows.append(
            [
                quant,
                format_bytes_decimal(size),
                *cheapest,
                *["-"] * (PRICED - len(cheapest)),
                _offer(fewest) if fewest else "no listed device",
                machine.device if machine else "-",
            ]
        )
    return rows


def remarks(offers: Offers, shown: Sequence[str]) -> list[str]:
    """What the table rests on, for the columns that are shown, and what to type next."""
    columns = {
        "cheapest": "by the hour, of those with a price",
        "fewest": "whatever the price, of equally few the smallest",
        "one machine": "the smallest whose CPU and GPU share one memory; `moecalc hardware` lists it",
    }
    said = [
        "; ".join(f"{name}: {words}" for name, words in columns.items() if name in shown),
        "prices: each device's latest on demand, as old as its date in `moecalc hardware`",
        "`--json` has every device that holds it, with plan and price",
    ]
    by_engine = {setting.engine.name: setting for setting in offers.settings.values()}
    for name, setting in by_engine.items():
        whose = " for GGUF mixtures" if name == "llama.cpp" and len(by_engine) > 1 else ""
        said.append(f"assumed{whose}: {assumed_words(setting)}")
    said.append(f"`moecalc fit {offers.model} --gpu 8xh100` holds it against devices of yours")
    return said


def _title(offers: Offers) -> str:
    case = offers.setting.case
    sequences = "1 sequence" if case.sequences == 1 else f"{case.sequences:,} sequences"
    return f"{offers.model}: the fewest devices of a kind that hold {sequences} of {case.context:,} tokens"


def _offer(offer: Offer) -> str:
    price = f" ${offer.usd_per_hour:.2f}/h" if offer.usd_per_hour is not None else ""
    return f"{offer.count}x {offer.device}{price}"
