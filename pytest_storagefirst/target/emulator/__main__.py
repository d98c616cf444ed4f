"""`python -m pytest_storagefirst.target.emulator`: ministack, bridged; its variables apply."""

from __future__ import annotations

from pytest_storagefirst.target.emulator import definitions, integrations


def main() -> None:
    definitions.bridge()
    integrations.bridge()
    from ministack.app import main as ministack

    ministack()


if __name__ == "__main__":
    main()
