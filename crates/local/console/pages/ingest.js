// What came in, what was refused and why, and what training left out.

import { html } from "../html.js";
import { get, useRead } from "../api.js";
import { number, ofCode, percent, t, time } from "../text/index.js";
import { Ready } from "../parts/state.js";
import { namesOf } from "../parts/attention.js";
import { Table } from "../parts/table.js";

const INTAKES = ["events", "items", "feedback"];

/** Sums over days by domain and kind, without those that nothing came in for. */
function sums(activity) {
  const found = new Map();
  for (const day of activity) {
    for (const intake of INTAKES) {
      const of = day[intake];
      const key = `${day.domain} ${intake}`;
      const sum = found.get(key) ?? { domain: day.domain, intake, accepted: 0, duplicates: 0, refused: 0, codes: {} };
      sum.accepted += of.accepted;
      sum.duplicates += of.duplicates;
      for (const [code, count] of Object.entries(of.refused)) {
        sum.refused += count;
        sum.codes[code] = (sum.codes[code] ?? 0) + count;
      }
      if (sum.accepted + sum.duplicates + sum.refused > 0) found.set(key, sum);
    }
  }
  return [...found.values()];
}

function Intake({ status, names }) {
  const all = sums(status.activity);
  if (!all.length) return html`<p class="notice note">${t("ingest.nothing")}</p>`;
  const rows = all.map((of) => [
    names(of.domain), t(`intake.${of.intake}`), number(of.accepted), number(of.duplicates), number(of.refused),
  ]);
  const codes = all.flatMap((of) => Object.entries(of.codes).map(([code, count]) => [ofCode(code), names(of.domain), t(`intake.${of.intake}`), number(count)]));
  return html`<${Table} caption=${t("ingest.sums")} numeric=${[2, 3, 4]}
      columns=${[t("domain"), t("what"), t("accepted"), t("duplicates"), t("refused")]} rows=${rows}/>
    ${codes.length ? html`<${Table} caption=${t("ingest.reasons")} numeric=${[3]}
      columns=${[t("why"), t("domain"), t("what"), t("refused")]} rows=${codes}/>` : null}`;
}

function Refused({ refused, names }) {
  if (!refused.length) return html`<p class="notice good">${t("ingest.norefused")}</p>`;
  const rows = refused.map((of) => [
    time(of.at), names(of.domain), t(`intake.${of.intake}`), number(of.index), ofCode(of.code),
    html`<span lang="en">${of.detail}</span>`,
  ]);
  return html`<p>${t("ingest.refused.intro")}</p><${Table} caption=${t("ingest.refused")} numeric=${[3]}
    columns=${[t("time"), t("domain"), t("what"), t("place"), t("why"), t("detail")]} rows=${rows}/>`;
}

function Cleaned({ run }) {
  const cleaning = run?.report?.cleaning;
  if (!cleaning) return html`<p>${t("ingest.norun")}</p>`;
  const rows = Object.entries(cleaning.refused).filter(([, count]) => count > 0).map(([reason, count]) =>
    [ofCode(reason), number(count), percent(count / Math.max(1, cleaning.read))]);
  return html`<p>${t("ingest.cleaned", { read: number(cleaning.read), kept: number(cleaning.kept), consent: number(run.report.without_consent) })}</p>
    ${rows.length ? html`<${Table} caption=${t("ingest.leftout")} numeric=${[1, 2]} columns=${[t("why"), t("intake.events"), t("share")]} rows=${rows}/>` : null}`;
}

function Ingest() {
  const read = useRead(async () => {
    const [status, { runs }] = await Promise.all([get("/v1/status"), get("/v1/training-runs?limit=10")]);
    return { status, run: runs.find((run) => run.report) };
  });
  return html`<${Ready} of=${read}>${({ status, run }) => {
    const names = namesOf(status);
    return html`
      <section aria-labelledby="sums"><h2 id="sums">${t("ingest.sums")}</h2><${Intake} status=${status} names=${names}/></section>
      <section aria-labelledby="refused"><h2 id="refused">${t("ingest.refused")}</h2><${Refused} refused=${status.refused} names=${names}/></section>
      <section aria-labelledby="cleaned"><h2 id="cleaned">${t("ingest.training")}</h2><${Cleaned} run=${run}/></section>`;
  }}<//>`;
}

export const ingest = { path: "ingest", title: "ingest.title", view: Ingest };
