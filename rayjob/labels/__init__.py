"""Pure text and tags: conversations, prompts, answers, rules, statistics. No I/O."""
