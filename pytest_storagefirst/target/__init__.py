"""Where a deployed stack is and what it does: on the local emulator, or in AWS."""
