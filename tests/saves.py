"""Ways of saving a file."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def shell(script: str) -> Callable[..., None]:
    """Return what runs a script, in which `$NEW` is a file with the new content."""

    def run(folder: Path, content: bytes = b"") -> None:
        with tempfile.NamedTemporaryFile() as new:
            new.write(content)
            new.flush()
            environment = {**os.environ, "NEW": new.name}
            subprocess.run(["bash", "-euc", script], cwd=folder, env=environment, check=True)

    return run


def replace(folder: Path, content: bytes) -> None:
    (folder / "new").write_bytes(content)
    os.replace(folder / "new", folder / "src/package/module.py")


def slowly(folder: Path, content: bytes) -> None:
    code = (
        "import sys, time\n"
        "content = sys.stdin.buffer.read()\n"
        "with open('src/package/module.py', 'wb', buffering=0) as file:\n"
        "    for at in range(0, len(content), len(content) // 6):\n"
        "        time.sleep(0.05)\n"
        "        file.write(content[at : at + len(content) // 6])\n"
    )
    subprocess.run([sys.executable, "-c", code], input=content, cwd=folder, check=True)


FILE = "src/package/module.py"
# What is done before the file is added, and how it is saved then. With `sed` and in vim, each 1 is
# made a 2.
SAVES: dict[str, tuple[str, Callable[..., None]]] = {
    "in place": ("", shell(f"cat $NEW > {FILE}")),
    "sed": ("", shell(f"sed -i 's/1/2/g' {FILE}")),
    "mv": ("", shell(f"cat $NEW > new; mv new {FILE}")),
    "cp": ("", shell(f"cat $NEW > new; cp new {FILE}")),
    "cp -p": ("", shell(f"cat $NEW > new; touch -d 2001-01-01 new; cp -p new {FILE}")),
    "ln -f": ("", shell(f"cat $NEW > new; ln -f new {FILE}")),
    "unlink": ("", shell(f"rm {FILE}; cat $NEW > {FILE}")),
    "backup": ("", shell(f"mv {FILE} {FILE}~; cat $NEW > {FILE}; rm {FILE}~")),
    "os.replace": ("", replace),
    "same time": ("", shell(f"cp -p {FILE} old; cat $NEW > {FILE}; touch -r old {FILE}")),
    "slowly": ("", slowly),
    "target of a link": (
        f"mkdir far; mv {FILE} far/real.py; ln -s ../../far/real.py {FILE}",
        shell("cat $NEW > far/real.py"),
    ),
    "target of a link replaced": (
        f"mkdir far; mv {FILE} far/real.py; ln -s $PWD/far/real.py {FILE}",
        shell("sed -i 's/1/2/g' far/real.py"),
    ),
    "link": (
        f"mv {FILE} old.py; ln -s ../../old.py {FILE}",
        shell(f"cat $NEW > new.py; ln -sfn ../../new.py {FILE}"),
    ),
    "link to a directory": (
        "mkdir releases; mv src releases/1; ln -s releases/1 src",
        shell(
            "cp -r releases/1 releases/2; cat $NEW > releases/2/package/module.py\n"
            "ln -sfn releases/2 src"
        ),
    ),
    "..data": (
        "cd src/package; mkdir ..1; mv module.py ..1; ln -s ..1 ..data; ln -s ..data/module.py .",
        shell(
            "cd src/package; mkdir ..2; cat $NEW > ..2/module.py; ln -s ..2 ..data_tmp\n"
            "mv -T ..data_tmp ..data; rm -r ..1"
        ),
    ),
    "directory": (
        "",
        shell(
            "cp -r src src.new; cat $NEW > src.new/package/module.py\n"
            "mv src src.old; mv src.new src"
        ),
    ),
    "directory deleted": (
        "",
        shell(f"rm -r src; mkdir -p src/package; cat $NEW > {FILE}"),
    ),
}
if shutil.which("vim"):
    for name, option in {"vim": "backupcopy=auto", "vim by renaming": "backupcopy=no"}.items():
        keys = f"set {option} backup | silent! %s/1/2/g | wq"
        SAVES[name] = ("", shell(f"vim -u NONE -N -es -c '{keys}' {FILE} < /dev/null"))
