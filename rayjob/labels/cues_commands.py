"""The commands in tool turns, by family, and the files they read and write. Looks at what was run, never at prose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from rayjob.labels.cues_languages import EXTENSIONS, FILE_NAMES
from rayjob.labels.readers_calls import parse_json
from rayjob.labels.turns import Turn

_FAMILIES = {
    "git": "git gh glab hub svn hg",
    "package": (
        "pip pip3 pipx npm yarn pnpm bun apt apt-get brew conda mamba poetry uv gem bundle composer dnf yum apk"
    ),
    "test": "pytest jest vitest mocha tox nox phpunit rspec ctest playwright cypress k6 locust unittest",
    "build": (
        "make cmake ninja gcc g++ clang clang++ javac mvn gradle gradlew tsc webpack vite esbuild bazel msbuild nvcc"
    ),
    "lint": (
        "eslint prettier ruff black flake8 mypy pylint isort golangci-lint shellcheck clippy rustfmt gofmt pyright"
    ),
    "run": (
        "python python3 node java ruby php perl lua julia Rscript deno ts-node cargo go dotnet npx uvicorn gunicorn"
    ),
    "files": (
        "ls cat head tail cp mv rm mkdir touch chmod chown tree tee sed ln tar unzip zip wc du stat less file diff"
    ),
    "search": "grep rg ag find fd awk locate xargs jq",
    "docker": "docker docker-compose podman buildah",
    "cluster": "kubectl helm minikube kind k3s terraform ansible aws gcloud az",
    "database": "psql mysql sqlite3 mongo mongosh redis-cli mysqldump pg_dump alembic duckdb clickhouse-client",
    "network": "curl wget ping ssh scp nc telnet dig nslookup rsync http netstat ss",
    "system": (
        "ps top htop kill systemctl journalctl service df free uname whoami lsof strace crontab dmesg nvidia-smi"
    ),
}
FAMILIES = {word: family for family, words in _FAMILIES.items() for word in words.split()}
#: A program whose second word says what it does: `npm test`, `cargo build`, `python -m pytest`.
SUBCOMMANDS = {
    "test": "test",
    "pytest": "test",
    "unittest": "test",
    "build": "build",
    "compile": "build",
    "clippy": "lint",
    "fmt": "lint",
    "vet": "lint",
    "lint": "lint",
    "install": "package",
    "add": "package",
    "get": "package",
    "mod": "package",
    "pip": "package",
    "run": "run",
    "start": "run",
}
_HAS_SUBCOMMANDS = frozenset(
    ("npm", "yarn", "pnpm", "bun", "cargo", "go", "dotnet", "npx", "mvn", "gradle", "python", "python3", "poetry", "uv")
)
COMMAND_KEYS = ("command", "cmd", "script", "bash", "shell", "commands")
WRITING_TOOLS = ("write", "edit", "create", "replace", "patch", "save")
PATH_KEYS = ("path", "file_path", "filepath", "filename", "file", "target_file")

PROMPT = re.compile(r"^[ \t]*(?:\([\w.-]+\) ?)?(?:[\w.-]++@[\w.-]++:?[~\w/.-]*+)?[$❯] +(.+)$", re.MULTILINE)
PARTS = re.compile(r"&&|\|\||[;|\n]")
LEADS = re.compile(r"^(?:sudo|time|env|nohup|exec|then|do|\w+=\S*)\s+")
HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w{1,40}+)\1[^\n]{0,200}+\n.*?(?:^\s*\2\s*$|\Z)", re.DOTALL | re.MULTILINE)
WRITTEN = re.compile(
    r"(?<![<>&\d])>{1,2}\s*([\w./~-]+)|\b(?:tee(?: -a)?|touch|vim?|nano|sed -i\S*(?: '[^']*')?)\s+([\w./~-]+)"
)
READ = re.compile(r"\b(?:cat|head|tail|less|bat|python3?|node|bash|sh)\s+(?:-\S+\s+)*([\w./~-]+\.\w+|\S*Dockerfile)")


def find_commands(turns: tuple[Turn, ...]) -> list[str]:
    """What was run: after a prompt in tool turns, and in the arguments of calls. Heredocs count as one command."""
    found: list[str] = []
    for turn in turns:
        if turn.role == "tool" and "$ " in turn.text:
            bare = HEREDOC.sub("", turn.text)
            found += [match.group(1) for match in PROMPT.finditer(bare)]
        for call in turn.tool_calls:
            found += _from_arguments(call.arguments, COMMAND_KEYS)
    return found


def count_families(commands: list[str]) -> Counter[str]:
    """How many commands of each family were run; a pipeline counts once for each of its programs."""
    return Counter(family for command in commands for part in PARTS.split(command) if (family := _family(part)))


def _family(part: str) -> str:
    words = part.strip()
    while lead := LEADS.match(words):
        words = words[lead.end() :]
    first, *rest = words.split(maxsplit=4) or [""]
    first = first.rsplit("/", 1)[-1]
    if first in _HAS_SUBCOMMANDS:
        plain = [word.split(":")[0] for word in rest[:3] if not word.startswith("-")]
        if found := next((SUBCOMMANDS[word] for word in plain if word in SUBCOMMANDS), ""):
            return "test" if found == "run" and "test" in plain else found
    return FAMILIES.get(first, "")


def count_files(turns: tuple[Turn, ...]) -> tuple[Counter[str], Counter[str]]:
    """Language id → files written, and → files read, by commands and file tools."""
    written: Counter[str] = Counter()
    read: Counter[str] = Counter()
    for command in find_commands(turns):
        outputs = {name for pair in WRITTEN.findall(command) for name in pair if name}
        written.update(tag for name in outputs if (tag := language_of(name)))
        read.update(tag for name in READ.findall(command) if name not in outputs and (tag := language_of(name)))
    for turn in turns:
        for call in turn.tool_calls:
            is_write = any(
                word in call.name.lower() for word in ("write", "edit", "create", "replace", "patch", "save")
            )
            tags = [tag for path in _from_arguments(call.arguments, PATH_KEYS) if (tag := language_of(path))]
            (written if is_write else read).update(tags)
    return written, read


def language_of(path: str) -> str:
    """The language id of a file by its name; "" where the name does not say."""
    name = path.rstrip("/").rsplit("/", 1)[-1].lower()
    if name in FILE_NAMES or name.startswith("dockerfile"):
        return FILE_NAMES.get(name, "dockerfile")
    return EXTENSIONS.get(name.rpartition(".")[2], "") if "." in name.lstrip(".") else ""


def _from_arguments(arguments: str, keys: tuple[str, ...]) -> Iterator[str]:
    parsed = parse_json(arguments)
    if isinstance(parsed, dict):
        yield from (value for key in keys if isinstance(value := parsed.get(key), str))
