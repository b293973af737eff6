"""`moecalc fit` of a model of which only counts are known."""

from moecalc.calc.deploy.fitted import fleet_words
from moecalc.calc.deploy.stated_fit import StatedFit, stated_sentences
from moecalc.render.layout import bold, paragraph


def stated_text(found: StatedFit, columns: int) -> str:
    """The answer in sentences, `columns` wide."""
    lines = [bold(_title(found))]
    for sentence in (*stated_sentences(found), *_warnings(found)):
        lines += paragraph(sentence, columns, "  ")
    return "\n".join(lines)


def stated_markdown(found: StatedFit) -> str:
    """The same as Markdown."""
    answer, *rest = stated_sentences(found)
    return "\n\n".join([f"**{_title(found)}**: {answer}", *rest, *_warnings(found)])


def _title(found: StatedFit) -> str:
    return f"{found.model} on {fleet_words(found.fleet)}"


def _warnings(found: StatedFit) -> list[str]:
    return [f"warning: {warning}" for warning in found.warnings]
