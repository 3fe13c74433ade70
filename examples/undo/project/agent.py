"""An agent that tidies up, and does not know when to stop."""

import os
import pathlib
import shutil

notes = pathlib.Path("notes.txt")
notes.write_text(notes.read_text().replace("milk", "oat milk"))  # what it was asked to do
os.rename("src/greet.py", "src/hello.py")
shutil.rmtree("photos")
os.chmod("run.sh", 0o644)
pathlib.Path("TIDY.md").write_text("All tidied up!\n")
