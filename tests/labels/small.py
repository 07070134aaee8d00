"""A small taxonomy for tests: two single-select dimensions, three multi-select ones."""

from __future__ import annotations

from rayjob.labels.taxonomy import Dimension, Tag, Taxonomy


def tags(*entries: str) -> tuple[Tag, ...]:
    """`id` or `id=alias,alias`."""
    made = []
    for entry in entries:
        name, _, aliases = entry.partition("=")
        made.append(
            Tag(name, name.replace("-", " ").title(), f"About {name}.", tuple(filter(None, aliases.split(","))))
        )
    return tuple(made)


INTENT = Dimension(
    "intent", "What the user wants.", "single", tags("learn=understand", "build=create,make", "debug=fix")
)
LANGUAGE = Dimension("language", "Languages used.", "multi", tags("python=py", "go=golang", "cpp=c++"))
DOMAIN = Dimension("domain", "Field.", "multi", tags("web-backend=backend", "automation", "shared"))
CONCEPT = Dimension("concept", "Ideas needed.", "multi", tags("caching", "data-structures", "testing=shared-alias"))
CONTEXT = Dimension("context", "How much code.", "single", tags("snippet=shared-alias", "multi-file"))
SMALL = Taxonomy.of([INTENT, LANGUAGE, DOMAIN, CONCEPT, CONTEXT])
CHARACTER = ("intent", "language", "domain")
CAPABILITY = ("concept", "context")
