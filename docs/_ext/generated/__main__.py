"""`make tables`: writes the generated parts into the pages."""

from __future__ import annotations

from generated import DOCS, MARK, written

for page in sorted(DOCS.rglob("*.md")):
    text = page.read_text(encoding="utf-8")
    if "_build" not in page.parts and MARK.search(text) and written(text) != text:
        page.write_text(written(text), encoding="utf-8")
        print(page)
