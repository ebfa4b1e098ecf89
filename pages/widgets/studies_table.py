"""What a study has found: its figure, its table, the way from a row to its run, and the files to take away."""

import streamlit as st

from data.workspace import Workspace
from modeling.studies import control, figures, studydir, table
from modeling.studies.control import StudyStatus
from modeling.studies.kinds import LABELS
from modeling.studies.table import SCORES, Row

SHOWN = ("accuracy", "kappa", "macro_f1", "average_accuracy")


def figure(study: StudyStatus, rows: list[Row]) -> None:
    """The figure of one score; a word where there is nothing to draw yet."""
    if not any(row.scores for row in rows):
        st.info("The figure is drawn when the first run is finished.", icon=":material/bar_chart:")
        return
    score = st.segmented_control("Score", list(SHOWN), format_func=SCORES.get, default=SHOWN[0], key="studies.score", required=True)
    st.plotly_chart(figures.figure(study.kind, rows, score), key="studies.figure", config={"displayModeBar": False})


def show(workspace: Workspace, study: StudyStatus, rows: list[Row]) -> None:
    """The table; a selected row offers its runs."""
    content = studydir.at(workspace, study.name).content
    event = st.dataframe(
        [_record(row, study) for row in rows], hide_index=True, key=f"studies.table.{study.name}", on_select="rerun",
        selection_mode="single-row", height=min(458, 38 + 35 * len(rows)), column_config=_columns(rows, study),
    )  # fmt: skip
    chosen = event["selection"]["rows"]
    _runs(rows[chosen[0]] if chosen and chosen[0] < len(rows) else None)
    several = any(row.seeds > 1 for row in rows)
    spread = "Means over the seeds, in brackets of the 95 % intervals, too." if several else "In brackets 95 % intervals."
    st.caption(" ".join([
        spread, "Nearest copied: accuracy of copying the label of the nearest sample learned from, without looking at any pixel.",
        "Published figures are of other data." if any(row.published for row in rows) else "",
        "Each run is judged by the labels it learned from; on verified: by what curators verified." if study.kind == LABELS else "",
        *content["notes"],
    ]))  # fmt: skip
    with st.container(horizontal=True):
        st.download_button(
            "Table as CSV", table.as_csv(rows), f"{study.name}.csv", "text/csv", icon=":material/download:", key="studies.csv",
            on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Table as Markdown", table.as_markdown(table.title(content), rows, content["notes"]), f"{study.name}.md", "text/markdown",
            icon=":material/download:", key="studies.md", on_click="ignore",
        )  # fmt: skip
    with st.expander("Folder and log"):
        st.code(str(workspace.studies / study.name), language=None)
        st.code(control.log(workspace, study.name)[-4000:] or "Nothing printed yet.", language=None, wrap_lines=True)


def _record(row: Row, study: StudyStatus) -> dict:
    """A row for people."""
    found = {"Group": row.variant.group, "Variant": row.variant.label, "State": row.state, "Judged": row.samples}
    for name in SHOWN:
        score = row.scores.get(name)
        found[SCORES[name]] = None if score is None else f"{score.value:.3f} ({score.low:.3f}–{score.high:.3f})"
    found["Seeds"] = _range(row)
    found |= {"Nearest copied": row.nearest, "On verified": row.on_verified["accuracy"].value if row.on_verified else None}
    return found | {"Seconds": row.seconds, "Published": str(row.published or ""), "Message": row.message}


def _range(row: Row) -> str:
    """Lowest and highest accuracy among the seeds."""
    if row.seeds < 2:
        return ""
    return f"{row.scores['accuracy'].least:.3f}–{row.scores['accuracy'].most:.3f}"


def _columns(rows: list[Row], study: StudyStatus) -> dict:
    """Formats, and the columns that no row has anything in hidden (None)."""
    used = {
        "Group": any(row.variant.group for row in rows), "Seeds": any(row.seeds > 1 for row in rows),
        "On verified": any(row.on_verified for row in rows), "Published": any(row.published for row in rows),
        "Message": any(row.message for row in rows), "State": any(row.state != "finished" for row in rows),
    }  # fmt: skip
    number = st.column_config.NumberColumn
    formats = {
        "Variant": st.column_config.TextColumn(width="medium"),
        "Judged": number(format="%.0f"), "Nearest copied": number(format="%.3f"), "On verified": number(format="%.3f"),
        "Seconds": number(format="%.0f"), "Seeds": st.column_config.TextColumn("Accuracy of seeds"),
    }  # fmt: skip
    return formats | {name: None for name, there in used.items() if not there}


def _runs(row: Row | None) -> None:
    """Buttons that open the runs of the selected row."""
    if row is None:
        return
    with st.container(horizontal=True):
        for number, run in enumerate(row.runs):
            label = f"Open {row.variant.label}" + (f", run {number + 1}" if len(row.runs) > 1 else "") + " in Results"
            if st.button(label, icon=":material/grid_on:", key=f"studies.open.{run}"):
                st.switch_page("pages/results.py", query_params={"run": run})
