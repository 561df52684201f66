"""Settings: the page for tenants."""

from typing import Any

import pytest
import yaml
from settings_reading import EXAMPLE, LEAST, complaint, parse

SETUP = {"keyFile": "/keys", "publicURL": "https://domains.example.net/api"}


def with_setup(**changed: Any) -> dict[str, Any]:
    return {"api": {**LEAST["api"], "setup": SETUP | changed}}


def test_the_page_for_tenants() -> None:
    assert parse({}).api.setup.key_file is None
    setup = parse(with_setup(colour="#FFcc00"), CUSTOMDOMAINS_API_SETUP_NAME="Meadow").api.setup
    assert (setup.key_file, setup.public_url) == ("/keys", SETUP["publicURL"])
    assert (setup.name, setup.colour) == ("Meadow", "#FFcc00")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"publicURL": None}, "api.setup.publicURL: it is missing"),
        ({"keyFile": None}, "api.setup.keyFile: it is missing"),
        ({"publicURL": "domains.example.net"}, "'domains.example.net' is not possible"),
        ({"publicURL": "https://a.example?x"}, "without query and fragment"),
        ({"publicURL": "https://user@a.example"}, "without query and fragment"),
        ({"colour": "blue"}, "'blue' is not possible; it has to be a colour as #"),
        ({"colour": "#12345"}, "six hexadecimal digits"),
        ({"colour": "#123456;"}, "six hexadecimal digits"),
        ({"name": ""}, "'' is not possible"),
        ({"logo": "x"}, "there is no such setting; api.setup may have keyFile, publicURL, name,"),
    ],
)
def test_what_the_page_for_tenants_can_t_be(changed: dict[str, Any], said: str) -> None:
    assert said in complaint(with_setup(**changed))


def test_what_is_said_of_the_page_for_tenants_is_right() -> None:
    """The example in the documentation, and the one in the example's comment."""
    text = (EXAMPLE.parents[1] / "docs" / "setup-page.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(text.split("```yaml\n", 1)[1].split("```", 1)[0])["api"]["setup"]
    assert parse({"api": {**LEAST["api"], "setup": shown}}).api.setup.name == "Meadow Hosting"
    assert all(f"`api.setup.{name}`" in text for name in shown)
    lines = EXAMPLE.read_text(encoding="utf-8").split("  # setup:\n", 1)[1].splitlines()
    commented = "\n".join(line.removeprefix("  #") for line in lines if line.startswith("  #"))
    assert yaml.safe_load(commented) == shown
