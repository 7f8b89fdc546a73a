"""Write the client's generated files."""

from ratoon.serving.generating import FOLDER, written

if __name__ == "__main__":
    for name, text in written().items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(text, encoding="utf-8")
