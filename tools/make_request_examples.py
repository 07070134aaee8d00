"""Writes examples_requests/: made-up coding requests for the spec that spreads labels. Seeded: same twice.

Twenty situations, each asked in four wordings about things of many names: what a request is about decides its labels,
how it is put does not. Real conversations are less alike.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

ROWS, SEED = 1_200, 11

OPENINGS = (
    "", "", "", "Hi, ", "Quick one: ", "Hello there. ", "I am stuck. ", "For work: ", "A colleague asks: ",
    "Please help. ",
)  # fmt: skip
CLOSINGS = (
    "",
    "",
    "",
    " Thanks!",
    " Any hint is welcome.",
    " We are on Linux.",
    " It is for a small team.",
    " Be brief.",
)
NAMES = (
    "orders", "invoices", "users", "sensors", "tickets", "payments", "reports", "sessions", "products", "messages",
    "shipments", "events", "accounts", "bookings", "songs", "recipes", "plants", "matches", "lessons", "photos",
)  # fmt: skip

#: What is asked, in four wordings; {x} is a thing of many names, {n} a number. Behind it the answer.
SITUATIONS: tuple[tuple[tuple[str, str, str, str], str], ...] = (
    (("My Python script raises KeyError: '{x}' when I read the JSON file. How do I fix it?",
      "Python tells me KeyError: '{x}' while parsing JSON. What is wrong and how can I repair it?",
      "Why do I get KeyError '{x}' in Python after json.load, and what is the fix?",
      "Help me debug a Python KeyError for '{x}' in a dict that came from json.loads."),
     "The key is missing in some records. Use `record.get('{x}')` and treat None."),
    (("Write a Python function that groups {x} by month and returns the totals.",
      "I need a Python function: given a list of {x}, return a dict of month to sum.",
      "Please implement in Python grouping of {x} per month with their totals.",
      "Can you write Python code that sums {x} for every month?"),
     "```python\nfrom collections import defaultdict\n\ndef totals({x}):\n    found = defaultdict(float)\n"
     "    for one in {x}:\n        found[one.date.month] += one.amount\n    return dict(found)\n```"),
    (("Explain what an index on the {x} table does in SQL and when it slows inserts.",
      "What does a database index on {x} do, and why do inserts become slower?",
      "I want to understand SQL indexes: what happens inside when I index {x}?",
      "How does an index on the column of {x} work in PostgreSQL? Explain."),
     "An index is a sorted copy of the column with pointers to rows. Each insert has to keep it sorted."),
    (("My SQL query over {x} with three joins takes {n} seconds. How can I make it faster?",
      "Optimise a slow SQL query: {n} seconds on {x} with joins and a GROUP BY.",
      "The PostgreSQL query on {x} is slow ({n} s). Which index or rewrite helps the performance?",
      "Speed up this SQL: SELECT over {x} with joins runs {n} seconds."),
     "Look at EXPLAIN ANALYZE first, then index the join columns and filter before joining."),
    (("Write unit tests with pytest for the function that validates {x}.",
      "I need pytest tests for validate_{x}(), including edge cases.",
      "Please add unit tests in pytest covering invalid {x}.",
      "Generate pytest test cases for my {x} validator, valid and invalid input."),
     "```python\nimport pytest\n\n@pytest.mark.parametrize('value', ['', None, 'x' * 300])\n"
     "def test_invalid(value):\n    assert not validate_{x}(value)\n```"),
    (("Refactor this Java class for {x}: it has {n} methods and does everything itself.",
      "My Java class handling {x} is {n} methods long. How should I refactor it?",
      "Help me refactor a Java god class about {x} into smaller ones.",
      "Split a Java service for {x} with {n} methods into clean classes, please."),
     "Move persistence into a repository, rules into a domain class, and leave the service to orchestrate."),
    (("How do I centre a div that shows {x} with CSS flexbox?",
      "CSS: what is the way to centre the {x} box in both directions?",
      "In HTML and CSS, how can the {x} panel stand in the middle of the page?",
      "Centring a div of {x} with CSS, please show how."),
     "```css\n.box { display: flex; justify-content: center; align-items: center; }\n```"),
    (("Build a React component that lists {x} with search and paging.",
      "I want a React component in JavaScript showing {x}, searchable, {n} a page.",
      "Create a React list of {x} with a filter field and pagination of {n}.",
      "Write a JavaScript React component to search through {x}, {n} per page."),
     "```jsx\nfunction List({ items }) { const [text, setText] = useState(''); return <ul>...</ul>; }\n```"),
    (("My Docker container for the {x} service exits with code {n}. How do I find out why?",
      "Docker: the {x} container stops at once, exit code {n}. How to debug?",
      "Why does my {x} container in Docker exit with {n}? Where do I look?",
      "The Docker image of {x} builds, but the container dies with exit code {n}."),
     "`docker logs` first, then run it with `--entrypoint sh` and start the process by hand."),
    (("Write a Dockerfile and docker-compose.yml for a Flask API over {x}.",
      "I need a Dockerfile plus compose file for my Flask {x} API with PostgreSQL.",
      "Please set up Docker and docker-compose for a Flask service of {x}.",
      "Create Docker deployment files for the {x} API in Flask."),
     "```dockerfile\nFROM python:3.11-slim\nCOPY . /app\nRUN pip install -r /app/requirements.txt\n```"),
    (("Explain ownership and borrowing in Rust with the example of {x}.",
      "What is the Rust borrow checker about? Use {x} as an example.",
      "I do not understand ownership in Rust; explain it with a vector of {x}.",
      "How does borrowing work in Rust when two functions need the same {x}?"),
     "A value has one owner. A function may borrow it, many to read or one to write, never both."),
    (("Rust says 'cannot borrow `{x}` as mutable more than once'. How do I fix that?",
      "Fix a Rust compile error: cannot borrow `{x}` as mutable because it is also borrowed as immutable.",
      "My Rust code does not compile, the borrow checker complains about `{x}`. What is the repair?",
      "Help with a Rust error E0499 on `{x}`."),
     "End the first borrow before the second begins, for example with a block around it."),
    (("Write a bash script that backs up the {x} folder every night and keeps {n} copies.",
      "I need a shell script: nightly backup of {x}, {n} generations.",
      "Bash: please write a backup of the directory {x} with rotation of {n}.",
      "Make a cron-able bash script that archives {x} and deletes backups older than {n} days."),
     "```bash\ntar czf backup-$(date +%F).tgz {x}\nls -t backup-*.tgz | tail -n +{n} | xargs -r rm\n```"),
    (("Design the database schema for {x}: tables, keys, relations.",
      "How should I model {x} in a relational database? Propose a schema.",
      "Which tables and foreign keys do I need for {x}?",
      "Propose a database design for storing {x} of many customers."),
     "One table a thing, one a relation: customers, {x}, and a link table with both keys."),
    (("Is my login for the {x} site safe against SQL injection and XSS? Review the code.",
      "Please review the security of my PHP login for {x}: SQL injection, XSS?",
      "Security review: the PHP form of {x} concatenates SQL. What should I change?",
      "Check this PHP login page of {x} for vulnerabilities."),
     "Use prepared statements, escape output, hash passwords with password_hash, and add CSRF tokens."),
    (("Train a scikit-learn classifier that predicts cancelled {x} and report its accuracy.",
      "How do I train a random forest in scikit-learn on {x} and evaluate it?",
      "Machine learning in Python: predict which {x} are cancelled, with cross-validation.",
      "Write scikit-learn code for a model of {x} with train/test split and accuracy."),
     "```python\nfrom sklearn.ensemble import RandomForestClassifier\n"
     "from sklearn.model_selection import cross_val_score\n```"),
    (("Why is my goroutine that handles {x} leaking? The Go service grows to {n} MB.",
      "Go: memory grows to {n} MB, I suspect a goroutine leak around {x}. How to find it?",
      "Debug a goroutine leak in Go, channel of {x}, {n} MB.",
      "My Go program with a channel of {x} never frees memory. How can I debug the concurrency?"),
     "Look at pprof's goroutine profile. A send on a channel that nobody reads blocks for ever."),
    (("Translate this Python class for {x} to TypeScript with types.",
      "Convert my Python {x} module into TypeScript, please, with interfaces.",
      "Port Python code about {x} to TypeScript.",
      "I need the TypeScript version of a Python dataclass for {x}."),
     "```typescript\ninterface Item { id: number; name: string }\n```"),
    (("Write the documentation of the REST API for {x}: endpoints, parameters, errors.",
      "Please document my REST endpoints of {x} in Markdown.",
      "I need API docs for GET and POST /{x}, with examples.",
      "Generate reference documentation for the {x} REST API."),
     "## GET /{x}\n\nReturns a list. Parameters: `page`, `limit`. Errors: 400, 401."),
    (("Set up a GitHub Actions pipeline that tests and deploys the {x} service.",
      "CI: I need a GitHub Actions workflow for {x}, tests on push, deploy on tag.",
      "Write a workflow file for GitHub Actions: lint, test and release of {x}.",
      "How do I configure continuous integration for the {x} repository on GitHub?"),
     "```yaml\non: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps: [{uses: actions/checkout@v4}]\n```"),
)  # fmt: skip


def make_request(number: int, rng: random.Random) -> dict[str, object]:
    """One conversation; `situation` says which of the twenty it is."""
    place = rng.randrange(len(SITUATIONS))
    wordings, answer = SITUATIONS[place]
    name, count = rng.choice(NAMES), str(rng.randint(2, 90))
    asked = rng.choice(OPENINGS) + rng.choice(wordings) + rng.choice(CLOSINGS)
    said = [text.replace("{x}", name).replace("{n}", count) for text in (asked, answer)]
    messages = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), said, strict=True)]
    return {"id": f"request-{number:04d}", "messages": messages, "metadata": {"situation": place}}


def main() -> None:
    """Write the file."""
    rng = random.Random(SEED)
    target = Path(__file__).resolve().parent.parent / "examples_requests" / "requests.jsonl"
    target.parent.mkdir(exist_ok=True)
    lines = [json.dumps(make_request(number, rng)) for number in range(1, ROWS + 1)]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
