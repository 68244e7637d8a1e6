"""The data verdict as one HTML page beside its pictures. Everything that came from data is escaped."""

import html
from collections.abc import Sequence
from pathlib import Path

from components.data_quality.checks import ORDER
from pipelines.reports.page_blocks import place

_STYLE = """
:root{color-scheme:light dark;--line:#8883;--soft:#8881;--stop:#c62828;--warn:#a86400;--pass:#2e7d32}
@media(prefers-color-scheme:dark){:root{--stop:#ff7b72;--warn:#e3a008;--pass:#56c271}}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0 0 .5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}
.stop b.o,h1.stop span{color:var(--stop)}.warn b.o,h1.warn span{color:var(--warn)}.pass b.o,h1.pass span{color:var(--pass)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.4rem .7rem .4rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
th{font-weight:600;font-size:13px;white-space:nowrap}td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.c{white-space:nowrap}td.l{min-width:4rem;max-width:16rem;overflow-wrap:break-word}th.n{text-align:right}
code{display:block;font-size:12px;background:var(--soft);padding:.15rem .4rem;margin-top:.25rem;border-radius:3px}
ul{padding-left:1.2rem;margin:.5rem 0}.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(28rem,100%),1fr));gap:1.5rem}
figure{margin:0}img{width:100%;height:auto}figcaption{font-size:13px;margin-bottom:.3rem}details summary{cursor:pointer}
"""


def page(told: dict, account: dict, pictures: Sequence[tuple[str, str]], docs: str = "") -> str:
    """told: as `verdict.json` has it; account: the Ingester's; pictures: (name, caption) of the PNG files beside the page; docs:
    Great Expectations' own page, relative to this one. It is named and not linked: its styles and scripts come from elsewhere, which Airflow's policy for
    pages forbids, so that only a file opened from the disk looks as it should.
    """
    decision, rows, findings = told["decision"], account["rows"], told["findings"]
    ordered = sorted(findings, key=lambda f: -ORDER.index(f["outcome"]))
    wrong = [f for f in ordered if f["outcome"] != "pass"]
    right = [f for f in ordered if f["outcome"] == "pass"]
    milder = ""
    if told["milder"]:
        milder = f"<p>Made milder: {_(', '.join(told['milder']))}. Reason given: {_(told['reason'])}</p>"
    # Named and not linked: their styles and scripts come from elsewhere, and Airflow's pages may fetch nothing from there.
    more = f"<p>Great Expectations' Data Docs, beside this page: <code>{_(docs)}</code></p>" if docs else ""
    return f"""<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Data verdict: {decision}</title><style>{_STYLE}</style>
<h1 class={decision}>Data verdict: <span>{decision}</span></h1>
<p>{rows["in"]:,} rows in = {rows["out"]:,} out + {rows["quarantined"]:,} quarantined + {rows["duplicates"]:,} duplicates
({_sizes(account)}). {len(right)} of {len(findings)} checks pass.</p>{milder}
{f"<h2>What is wrong</h2>{_table(wrong)}" if wrong else ""}
{f"<h2>Pictures</h2><div class=pictures>{''.join(_picture(*p) for p in pictures)}</div>" if pictures else ""}
<h2>Files</h2>{_files(account["files"])}
<p>Quarantined rows, with line, column, value and reason: <code>{_(place(told["quarantine"]))}</code></p>
{_ignored(told["ignored"])}
<h2>What holds</h2>{_table(right)}
{more}</html>
"""


def _(value) -> str:
    return html.escape(str(value))


def _sizes(account: dict) -> str:
    return ", ".join(f"{split} {sum(per.values()):,}" for split, per in account["splits"].items())


def _table(findings: Sequence[dict]) -> str:
    rows = "".join(
        f"<tr class={f['outcome']}><td class=c><b class=o>{f['outcome']}</b><td class=c>{_name(f['check'])}<td>{_(f['message'])}"
        + "".join(f"<code>{_(example)}</code>" for example in f["examples"])
        + f"<td class=l>{_(_short(f['value']))}<td class=l>{_(_short(f['limit']))}"
        for f in findings
    )
    return f"<div class=wide><table><tr><th><th>check<th>finding<th>value<th>limit</tr>{rows}</table></div>"


def _name(name: str) -> str:
    return _(name).replace(": ", ":<br>")


def _short(value) -> str:
    """Numbers with separators, an expectation's arguments as `name value`."""
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_short(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if isinstance(value, float) else str(value)


def _picture(name: str, caption: str) -> str:
    return (
        f"<figure><figcaption>{_(caption)}</figcaption><picture>"
        f'<source srcset="{name}.dark.png" media="(prefers-color-scheme: dark)">'
        f'<img src="{name}.png" alt="{_(caption)}"></picture></figure>'
    )


def _ignored(lines: Sequence[str]) -> str:
    items = "".join(f"<li>{_(line)}" for line in lines)
    return f"<details><summary>{len(lines)} not read</summary><ul>{items}</ul></details>" if lines else ""


def _files(files: Sequence[dict]) -> str:
    head = (
        "<tr><th>file<th>split<th>span<th class=n>in<th class=n>out<th class=n>quarantined<th class=n>duplicates</tr>"
    )
    rows = "".join(
        f"<tr><td>{_(Path(f['path']).name)}<td>{_(f['split'])}<td class=c>{_(f['span'])}"
        + "".join(f"<td class=n>{f[name]:,}" for name in ("in", "out", "quarantined", "duplicates"))
        for f in files
    )
    table = f"<div class=wide><table>{head}{rows}</table></div>"
    return table if len(files) <= 20 else f"<details><summary>{len(files)} files</summary>{table}</details>"
