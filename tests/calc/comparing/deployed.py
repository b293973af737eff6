"""Two models and a card, as comparisons of them are often made."""

from decimal import Decimal

from moecalc.calc.comparing.demand import LedgerDemand
from moecalc.calc.comparing.deployment import Device
from moecalc.specs.formats import Precision
from tests.calc import released
from tests.calc.released import ledger_of

MIXTRAL = LedgerDemand(ledger_of(released.MIXTRAL_8X7B), Precision("bf16"), "bf16")
LLAMA_13B = LedgerDemand(ledger_of(released.LLAMA_13B), Precision("bf16"), "bf16")

H100 = Device(
    name="h100",
    usable_bytes=81_559 * 2**20,  # what the driver of an H100 80GB reports
    usable_note="",
    usable_basis="measured",
    bandwidth=3_350 * 10**9,
    peak=989 * 10**12,
    peak_format="bf16",
    usd_per_hour=Decimal("3.60"),
    price_note="",
)
