"""The names that languages go by: in code fences, as file extensions, in sentences, by their frameworks. Tables only.

Language ids are the taxonomy's; what has no id there (csv, diff, graphql) is left out.
"""

from __future__ import annotations

import re

from rayjob.labels.mentions import Mentions

_FENCES = {
    "python": "py python3 python2 ipython pycon python-repl pyi",
    "javascript": "js jsx node nodejs mjs cjs vue svelte es6",
    "typescript": "ts tsx mts cts",
    "shell": "bash sh zsh ksh fish console shell-session shellscript terminal",
    "powershell": "ps1 pwsh ps posh",
    "go": "golang",
    "rust": "rs",
    "ruby": "rb irb",
    "java": "",
    "kotlin": "kt kts",
    "c": "h",
    "cpp": "c++ cc cxx hpp hxx cuda cu arduino",
    "csharp": "cs c# dotnet razor",
    "fsharp": "fs f# fsx",
    "objective-c": "objc objectivec obj-c mm",
    "swift": "",
    "dart": "flutter",
    "scala": "sbt",
    "groovy": "jenkinsfile",
    "php": "",
    "perl": "pl pm perl5",
    "r": "rlang rscript rmd",
    "julia": "jl",
    "matlab": "octave",
    "lua": "luau",
    "haskell": "hs",
    "ocaml": "ml mli reasonml",
    "elixir": "ex exs iex heex",
    "erlang": "erl",
    "clojure": "clj cljs edn",
    "lisp": "common-lisp commonlisp elisp emacs-lisp cl",
    "scheme": "scm guile",
    "racket": "rkt",
    "prolog": "swipl",
    "fortran": "f90 f95 f77",
    "cobol": "cbl",
    "ada": "adb ads",
    "apl": "",
    "smalltalk": "",
    "nim": "",
    "zig": "",
    "crystal": "",
    "solidity": "sol",
    "vyper": "vy",
    "verilog": "systemverilog sv",
    "vhdl": "",
    "assembly": "asm nasm gas x86asm armasm masm s",
    "sql": "mysql postgresql postgres psql pgsql plsql plpgsql tsql sqlite",
    "html": "htm xhtml",
    "css": "scss sass less stylus postcss",
    "xml": "svg xsd xsl xslt xaml plist",
    "latex": "tex",
    "json": "json5 jsonc jsonl ndjson",
    "yaml": "yml docker-compose k8s kubernetes helm",
    "toml": "",
    "ini": "cfg conf config editorconfig systemd desktop",
    "properties": "props",
    "dotenv": "env",
    "dockerfile": "docker containerfile",
    "makefile": "make mk gnumake",
    "cmake": "",
    "gradle": "",
    "maven": "pom",
    "bazel": "starlark bzl",
    "nginx-config": "nginx nginxconf nginx-conf",
    "hcl": "tf terraform opentofu",
    "markdown": "md mdx",
    "restructuredtext": "rst",
    "jinja": "jinja2 j2",
    "handlebars": "hbs mustache",
    "ejs": "",
    "erb": "",
    "liquid": "",
    "arkts": "ets",
    "ascendc": "ascend-c",
}
#: What stands after ``` → language id.
FENCES = {name: tag for tag, names in _FENCES.items() for name in (tag, *names.split())}

_EXTENSIONS = {
    "python": "py pyi ipynb",
    "javascript": "js jsx mjs cjs vue svelte",
    "typescript": "ts tsx",
    "shell": "sh bash zsh",
    "powershell": "ps1",
    "go": "go",
    "rust": "rs",
    "ruby": "rb",
    "java": "java",
    "kotlin": "kt kts",
    "c": "c",
    "cpp": "cpp cc cxx hpp cu",
    "csharp": "cs",
    "fsharp": "fs",
    "objective-c": "mm",
    "swift": "swift",
    "dart": "dart",
    "scala": "scala",
    "groovy": "groovy",
    "php": "php",
    "perl": "pl pm",
    "r": "r",
    "julia": "jl",
    "lua": "lua",
    "haskell": "hs",
    "ocaml": "ml",
    "elixir": "ex exs",
    "erlang": "erl",
    "clojure": "clj",
    "sql": "sql",
    "solidity": "sol",
    "vyper": "vy",
    "verilog": "sv",
    "vhdl": "vhd vhdl",
    "assembly": "asm",
    "zig": "zig",
    "nim": "nim",
    "html": "html htm",
    "css": "css scss sass less",
    "xml": "xml",
    "latex": "tex",
    "json": "json jsonc",
    "yaml": "yaml yml",
    "toml": "toml",
    "ini": "ini cfg",
    "properties": "properties",
    "cmake": "cmake",
    "gradle": "gradle",
    "hcl": "tf tfvars",
    "jinja": "j2 jinja",
    "handlebars": "hbs",
    "ejs": "ejs",
    "erb": "erb",
    "restructuredtext": "rst",
    "markdown": "md",
    "arkts": "ets",
    "bazel": "bzl",
}
#: File extension → language id; and files that are known by their whole name.
EXTENSIONS = {extension: tag for tag, extensions in _EXTENSIONS.items() for extension in extensions.split()}
FILE_NAMES = {
    "dockerfile": "dockerfile",
    "makefile": "makefile",
    "gnumakefile": "makefile",
    "cmakelists.txt": "cmake",
    "pom.xml": "maven",
    "build.gradle": "gradle",
    "nginx.conf": "nginx-config",
    "jenkinsfile": "groovy",
    "gemfile": "ruby",
    "rakefile": "ruby",
    "build.bazel": "bazel",
    "workspace": "bazel",
}

#: Languages that hold data or settings, or mark up text: they come along with programs, and say less by being there.
_DATA = (
    "json yaml toml ini properties dotenv xml markdown restructuredtext latex html css dockerfile makefile cmake "
    "gradle maven bazel nginx-config hcl sql shell powershell jinja handlebars ejs erb liquid"
)
DATA_LANGUAGES = frozenset(_DATA.split())

# Word edges for scripts without blanks: in 用Python写 the name stands between letters, as \b has it.
_EDGES = r"(?<![A-Za-z0-9_.#+/-])", r"(?![A-Za-z0-9_])"

_NAMES = {
    "python": "Python|python[23]?|CPython",
    "javascript": "(?i:javascript)|JS|(?i:node\\.?js)",
    "typescript": "(?i:typescript)",
    "rust": "Rust",
    "java": "Java",
    "kotlin": "(?i:kotlin)",
    "ruby": "Ruby",
    "php": "PHP|php",
    "csharp": "C#|C-?[Ss]harp",
    "cpp": "(?i:c\\+\\+)(?:1[147]|2[03])?|CUDA",
    "fsharp": "F#",
    "objective-c": "(?i:objective-c)",
    "swift": "Swift",
    "dart": "Dart",
    "scala": "Scala",
    "perl": "Perl",
    "haskell": "(?i:haskell)",
    "ocaml": "(?i:ocaml)",
    "elixir": "Elixir",
    "erlang": "(?i:erlang)",
    "clojure": "(?i:clojure)",
    "lua": "Lua",
    "julia": "Julia",
    "matlab": "(?i:matlab)",
    "fortran": "(?i:fortran)",
    "cobol": "COBOL",
    "prolog": "Prolog",
    "solidity": "Solidity",
    "verilog": "(?i:systemverilog|verilog)",
    "vhdl": "(?i:vhdl)",
    "zig": "Zig",
    "powershell": "(?i:powershell)",
    "shell": "Bash|bash|(?i:shell)[ -]?(?:scripts?|脚本|commands?)|zsh",
    "sql": "SQL",
    "html": "HTML5?",
    "css": "CSS3?|SCSS",
    "dockerfile": "Dockerfiles?",
    "makefile": "Makefiles?",
    "cmake": "CMake",
    "hcl": "(?i:terraform)|HCL",
    "latex": "LaTeX",
    "groovy": "Groovy|Jenkinsfile",
    "lisp": "Common Lisp|Lisp",
    "racket": "Racket",
    "nim": "Nim",
    "assembly": "(?i:x86|arm|risc-v) assembly|assembly (?:code|language)|汇编",
    "arkts": "ArkTS",
    "ascendc": "Ascend ?C",
    "go": (
        "Golang|golang|Go(?= ?(?:语言|程序|代码|项目|服务|实现|service|code|program|module|routine|project|app|struct"
        "|1\\.))|(?:(?<=\\bin )|(?<=\\bwith )|(?<=\\busing )|(?<=\\bto )|(?<=用 )|(?<=用)|(?<=转成 ))Go"
    ),
    "c": (
        "C(?= ?语言|(?: code| program| compiler| API| struct| library| function)\\b)|ANSI C|C(?:89|99|11|17|23)"
        "|(?:(?<=\\bin )|(?<=用 )|(?<=用))C(?![+#\\w'’-]| major| minor)"
    ),
    "r": "R(?= ?语言|(?: script| code| package)\\b)|(?<=\\bin )R(?![&+\\w'’-])|ggplot2|tidyverse",
    "yaml": "YAML",
}
_FRAMEWORKS = {
    "python": (
        "Django|Flask|FastAPI|[Pp]andas|[Nn]um[Pp]y|PyTorch|pytorch|TensorFlow|[Pp]ytest|scikit-learn|sklearn"
        "|SQLAlchemy|sqlalchemy|Celery|asyncio|[Jj]upyter|PySpark|Pydantic|XGBoost|matplotlib"
    ),
    "javascript": (
        "React|Vue(?:\\.js)?|Express(?:\\.js)?|jQuery|Next\\.js|Nuxt(?:\\.js)?|[Ww]ebpack|ESLint|Svelte|npm|Electron"
    ),
    "typescript": "Angular|NestJS|tsconfig|TSX|tsx",
    "java": "Spring(?: ?Boot)?|Hibernate|JUnit|JVM|MyBatis|Tomcat",
    "ruby": "Rails|RSpec",
    "php": "Laravel|Symfony|WordPress",
    "go": "Gin|goroutines?|gRPC-Go|GORM|go\\.mod",
    "rust": "[Cc]argo|[Tt]okio|Actix|serde",
    "dart": "Flutter",
    "csharp": "ASP\\.NET|\\.NET(?: Core)?|Unity|Blazor|LINQ",
    "swift": "SwiftUI|UIKit|Xcode",
    "kotlin": "Jetpack Compose|Ktor",
    "scala": "Akka",
    "elixir": "Phoenix LiveView",
    "cpp": "Qt|Boost|Unreal Engine|STL",
    "solidity": "ERC-?(?:20|721)|Hardhat",
    "yaml": "Kubernetes|k8s|K8s|[Dd]ocker[- ][Cc]ompose|GitHub Actions|GitLab CI|Ansible|Helm|OpenAPI|Prometheus",
    "sql": "PostgreSQL|Postgres|MySQL|SQLite|MariaDB|Oracle DB|SQL Server|DuckDB",
    "hcl": "OpenTofu",
    "shell": "crontab|systemd",
}


NAMES = Mentions((_EDGES, _NAMES))
FRAMEWORKS = Mentions((_EDGES, _FRAMEWORKS))

#: What code without a language tag begins with or holds, tried in this order. Only what hardly stands elsewhere.
CODE_MARKS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("shell", re.compile(r"\A\s*(?:#!.*\b(?:ba|z|k)?sh\b|\$ \w)")),
    (
        "python",
        re.compile(r"\A\s*#!.*python|^\s*(?:async )?def \w+\(.*\).*:\s*$|^from [\w.]+ import |^import \w+\s*$", re.M),
    ),
    ("cpp", re.compile(r"^\s*#include <(?:iostream|vector|string|memory|map|algorithm|thread)>|\bstd::\w", re.M)),
    ("c", re.compile(r"^\s*#include [<\"][\w/]+\.h[>\"]", re.M)),
    ("go", re.compile(r"^package \w+\s*$|^func (?:\(\w+ \*?\w+\) )?\w+\(", re.M)),
    ("rust", re.compile(r"^\s*(?:pub )?(?:fn \w+.*\{|impl\b.*\{|use (?:std|crate|super)::)|\blet mut ", re.M)),
    ("php", re.compile(r"<\?php\b")),
    (
        "java",
        re.compile(r"^\s*(?:public|private|protected) (?:static |final |abstract )*(?:class|void|interface) \w+", re.M),
    ),
    (
        "typescript",
        re.compile(r"^\s*(?:export )?(?:interface \w+ \{|type \w+ = )|: (?:string|number|boolean)[;,)=]", re.M),
    ),
    ("javascript", re.compile(r"^\s*(?:const|let|var) \w+ = |=> \{|\brequire\(['\"]|console\.log\(", re.M)),
    (
        "sql",
        re.compile(r"^\s*(?:SELECT\s.+?\sFROM|CREATE (?:TABLE|INDEX|VIEW)|INSERT INTO)\s", re.M | re.S),
    ),
    ("html", re.compile(r"<!DOCTYPE html|<html\b", re.I)),
    ("dockerfile", re.compile(r"\A\s*FROM [\w./:-]+.*\n(?:.*\n)*?(?:RUN|COPY|WORKDIR|CMD) ", re.M)),
)
