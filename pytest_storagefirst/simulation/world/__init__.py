"""moto's state: one world a stack, rewound after each run, and what moto itself needs mended."""
