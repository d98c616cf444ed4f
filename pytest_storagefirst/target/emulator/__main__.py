"""`python -m pytest_storagefirst.target.emulator`: ministack, bridged; its variables apply."""

from __future__ import annotations

from pytest_storagefirst.target.emulator import definitions, integrations, state_machines


def main() -> None:
    definitions.bridge()
    integrations.bridge()
    state_machines.bridge()
    from ministack.app import main as ministack

    ministack()


if __name__ == "__main__":
    main()
