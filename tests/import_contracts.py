"""An import contract of our own: a concept is entered only through its doors."""

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class Doors(Contract):
    """Between siblings of `container`, only the modules named in `doors` may be imported.

    `joiners` may import anything; `open` siblings may be imported by anyone.
    """

    # The base class replaces each declared field by its value.
    container: str = fields.StringField()  # type: ignore[assignment]  # a field by declaration
    doors: set[str] = fields.SetField(subfield=fields.StringField())  # type: ignore[assignment]  # likewise
    joiners: set[str] = fields.SetField(subfield=fields.StringField())  # type: ignore[assignment]  # likewise
    open: set[str] = fields.SetField(subfield=fields.StringField())  # type: ignore[assignment]  # likewise

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Collects every (importer, imported) pair that goes round a door."""
        del verbose
        broken: list[tuple[str, str]] = []
        for child in sorted(graph.find_children(self.container)):
            if child.rpartition(".")[2] in self.joiners:
                continue
            for importer in sorted({child} | graph.find_descendants(child)):
                direct = sorted(graph.find_modules_directly_imported_by(importer))
                broken += [(importer, each) for each in direct if self._goes_round(child, each)]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def _goes_round(self, child: str, imported: str) -> bool:
        inside = f"{self.container}."
        if not imported.startswith(inside) or f"{imported}.".startswith(f"{child}."):
            return False
        sibling, _, rest = imported.removeprefix(inside).partition(".")
        return sibling not in self.open and rest not in self.doors

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Prints each pair on a line."""
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} -> {imported}: not a door")
