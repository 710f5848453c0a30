"""Which language a file is written in, by its name; only for telling a model."""

from collections.abc import Mapping

_BY_ENDING: Mapping[str, str] = {
    "c": "C",
    "cc": "C++",
    "cpp": "C++",
    "cs": "C#",
    "css": "CSS",
    "ex": "Elixir",
    "go": "Go",
    "h": "C",
    "html": "HTML",
    "java": "Java",
    "js": "JavaScript",
    "jsx": "JavaScript",
    "kt": "Kotlin",
    "lua": "Lua",
    "php": "PHP",
    "pl": "Perl",
    "py": "Python",
    "r": "R",
    "rb": "Ruby",
    "rs": "Rust",
    "scala": "Scala",
    "sh": "Shell",
    "sql": "SQL",
    "swift": "Swift",
    "tf": "Terraform",
    "ts": "TypeScript",
    "tsx": "TypeScript",
    "vue": "Vue",
    "yaml": "YAML",
    "yml": "YAML",
}


def language_of(file_name: str) -> str | None:
    """The language that the name's ending stands for; None: nobody knows."""
    _, dot, ending = file_name.rpartition(".")
    return _BY_ENDING.get(ending.lower()) if dot else None
