"""Low purity: patches of which only a small share is the crop that the label names, as fields at an edge or of two crops.

Purity is the share of a patch's coded pixels with the inventory's code at its centre; see `data.schema`, table sample.
"""

from data.errors import BadInput
from data.workspace import Workspace
from labeling.rankings.common import WANTED, Ranked, percent

# A patch without an inventory raster has purity 1 and its own code as modal code: there is nothing to say of it.
IMPURE = "s.collection = ? and s.inventory_code <> 0 and (s.purity < 1 or s.modal_code <> s.inventory_code)"
PURITY = f"""
select s.id, s.purity, g.name as crop, coalesce(m.name, 'code ' || s.modal_code) as modal, s.modal_code <> s.inventory_code as differs
from sample s join legend_class g on g.collection = s.collection and g.code = s.inventory_code
left join legend_class m on m.collection = s.collection and m.code = s.modal_code
where {IMPURE} and {WANTED} order by s.purity, differs desc, s.shuffle limit ?
"""


def ranked(workspace: Workspace, collection: str, *, limit: int, seed: int = 0, decided: bool = False) -> list[Ranked]:
    """Up to `limit` samples whose patch is not of one code alone; score: purity 0..1. Of equal ones those with another modal code first.

    Args:
        seed: of no use here, ties are broken by the collection's own shuffled order.

    Raises:
        BadInput: every patch of the collection is of one code.
    """
    with workspace.store.reading() as db:
        found = [Ranked(row["id"], row["purity"], _reason(row)) for row in db.execute(PURITY, [collection, decided, limit])]
        if not found and not db.execute(f"select 1 from sample s where {IMPURE} limit 1", [collection]).fetchone():
            raise BadInput(
                f"Every patch of {collection} is of one crop only, as far as an inventory was read for it: none is impure. "
                "Read a raster with python -m data inventory, or choose another queue."
            )
    return found


def _reason(row) -> str:
    told = f"Only {percent(row['purity'])} of the patch is {row['crop']}"
    return f"{told}; most of it is {row['modal']}." if row["differs"] else f"{told}."
