// Models with what was measured of them; promoting one, and going back.

import { html } from "../html.js";
import { useRef, useState } from "preact/hooks";
import { get, isAbsent, post, useRead } from "../api.js";
import { ago, figure, number, t, time } from "../text/index.js";
import { Failure, Ready } from "../parts/state.js";
import { namesOf } from "../parts/attention.js";
import { Table } from "../parts/table.js";
import { Chart } from "../parts/chart.js";
import { Difference, boundOf, intervalText } from "../parts/interval.js";

const short = (id) => html`<code>${id.slice(0, 8)}</code>`;

/** Asks before the champion changes. */
function Promote({ model, champion, done }) {
  const dialog = useRef();
  const [state, set] = useState({});
  const back = model.state === "previous";
  const name = t(back ? "models.back" : "models.promote");
  const promote = async () => {
    set({ busy: true });
    try {
      await post(`/v1/models/${model.id}/promote`, { expected_champion: champion ?? null });
      dialog.current.close();
      set({});
      done();
    } catch (error) {
      set({ error });
    }
  };
  const title = `promote-${model.id.slice(0, 8)}`;
  return html`<button type="button" onClick=${() => { set({}); dialog.current.showModal(); }}
      aria-label=${`${name}: ${model.id.slice(0, 8)}`}>${name}</button>
    <dialog ref=${dialog} aria-labelledby=${title}>
      <h3 id=${title}>${t("models.ask", { id: model.id.slice(0, 8) })}</h3>
      <p>${t(model.state === "refused" ? "models.ask.refused" : "models.ask.detail")}</p>
      ${state.error ? html`<${Failure} error=${state.error}/>` : null}
      <div class="buttons">
        <button type="button" class="primary" disabled=${state.busy && !state.error} onClick=${promote}>${name}</button>
        <button type="button" onClick=${() => dialog.current.close()}>${t("cancel")}</button>
      </div>
    </dialog>`;
}

function Checks({ model, names }) {
  if (!model.verdict) return null;
  const bound = boundOf(model.verdict.checks.map((check) => check.difference));
  const against = (check) => {
    if (check.difference) {
      const seen = check.basis === "seen" ? html`<p>${t("check.seen")}</p>` : null;
      return html`<${Difference} interval=${check.difference} bound=${bound}/>${seen}`;
    }
    if (check.items !== undefined) return t("check.counts", { own: number(check.items), other: number(check.champion) });
    if (check.events !== undefined) return t("check.counts", { own: number(check.events), other: number(check.champion) });
    return check.error ? html`<span lang="en">${check.error}</span>` : "–";
  };
  const rows = model.verdict.checks.map((check) => [
    t(`check.${check.check}`), check.domain ? names(check.domain) : "–",
    html`<span class=${check.outcome}>${t(`outcome.${check.outcome}`)}</span>`, against(check),
    check.people === undefined ? "–" : number(check.people),
  ]);
  return html`<${Table} caption=${t("models.checks", { id: model.id.slice(0, 8) })} numeric=${[4]}
    columns=${[t("check"), t("domain"), t("outcome"), t("difference"), t("people")]} rows=${rows}/>`;
}

/** What the run measured, with intervals; the model's own sums where its report is gone. */
function Measured({ model, names }) {
  const path = `/v1/training-runs/${encodeURIComponent(model.training_run)}/report`;
  const read = useRead(() => get(path).catch((error) => {
    if (isAbsent(error)) return { evaluation: {} };
    throw error;
  }), [model.id]);
  return html`<${Ready} of=${read}>${(report) => {
    const domains = Object.entries(model.metrics);
    if (!domains.length) return html`<p>${t("models.unmeasured")}</p>`;
    const of = (domain) => report.evaluation?.[domain] ?? {};
    const bound = boundOf(domains.map(([domain]) => of(domain).lift?.["ndcg@20"]));
    const rows = domains.map(([domain, sums]) => [
      names(domain), number(sums.people),
      of(domain).intervals?.["ndcg@20"] ? intervalText(of(domain).intervals["ndcg@20"]) : figure(sums.metrics["ndcg@20"]),
      figure(sums.popularity["ndcg@20"]),
      html`<${Difference} interval=${of(domain).lift?.["ndcg@20"]} bound=${bound}/>`,
      of(domain).intervals?.["recall@20"] ? intervalText(of(domain).intervals["recall@20"]) : figure(sums.metrics["recall@20"]),
    ]);
    return html`<${Table} caption=${t("models.measured", { id: model.id.slice(0, 8) })} numeric=${[1, 3]}
      columns=${[t("domain"), t("people"), t("ndcg"), t("popularity"), t("over.popularity"), t("recall")]} rows=${rows}/>`;
  }}<//>`;
}

function Model({ model, champion, names, done }) {
  const [open, setOpen] = useState(model.state === "champion");
  return html`<li class="card model">
    <div class="row">
      <h2>${short(model.id)} <span class=${`badge ${model.state}`}>${t(`state.${model.state}`)}</span></h2>
      ${model.state === "champion" ? null : html`<${Promote} model=${model} champion=${champion} done=${done}/>`}
    </div>
    <p>${t("models.made", { time: time(model.created_at), ago: ago(model.created_at), events: number(model.events) })}</p>
    <details open=${open} onToggle=${(event) => setOpen(event.target.open)}>
      <summary>${t("models.figures")}<span class="hidden"> ${model.id.slice(0, 8)}</span></summary>
      ${open ? html`<${Measured} model=${model} names=${names}/><${Checks} model=${model} names=${names}/>` : null}
    </details>
  </li>`;
}

const COLOURS = ["--accent", "--good", "--bad", "--warn"];

/** How the quality of each domain went from model to model. */
function History({ models, names }) {
  const oldest = [...models].reverse().filter((model) => Object.keys(model.metrics).length);
  if (oldest.length < 2) return null;
  const domains = [...new Set(oldest.flatMap((model) => Object.keys(model.metrics)))].slice(0, COLOURS.length);
  const values = (domain) => oldest.map((model) => model.metrics[domain]?.metrics["ndcg@20"] ?? null);
  const series = domains.map((domain, at) => ({
    label: names(domain), values: values(domain), colour: COLOURS[at], dash: at ? [2 + 3 * at, 3] : undefined,
  }));
  const table = {
    summary: t("numbers"), columns: [t("models.title"), ...domains.map(names)],
    rows: oldest.map((model, at) => [model.id.slice(0, 8), ...series.map((one) => figure(one.values[at]))]),
    numeric: domains.map((_, at) => at + 1),
  };
  return html`<${Chart} label=${t("models.chart")} at=${oldest.map((_, at) => at)} names=${oldest.map((model) => model.id.slice(0, 8))} series=${series} table=${table}/>`;
}

function Runs({ runs }) {
  const [state, set] = useState({});
  const order = async () => {
    set({ busy: true });
    try {
      set({ ordered: await post("/v1/training-runs", {}) });
    } catch (error) {
      set({ error });
    }
  };
  const why = (run) => (run.reasons ?? (run.reason ? [run.reason] : [])).join("; ");
  const rows = runs.runs.map((run) => [
    time(run.requested_at), html`<span class=${run.status}>${t(`run.${run.status}`)}</span>`,
    run.model ? short(run.model) : "–", html`<span lang="en">${why(run) || "–"}</span>`,
  ]);
  return html`<section aria-labelledby="runs"><h2 id="runs">${t("models.runs")}</h2>
    <div class="buttons"><button type="button" disabled=${state.busy} onClick=${order}>${t("models.train")}</button></div>
    <p role="status">${state.ordered ? t("models.ordered") : ""}</p>
    ${state.error ? html`<${Failure} error=${state.error}/>` : null}
    ${rows.length ? html`<${Table} caption=${t("models.runs")} columns=${[t("time"), t("state"), t("model"), t("why")]} rows=${rows}/>` : html`<p>${t("models.noruns")}</p>`}
  </section>`;
}

function Models() {
  const read = useRead(async () => {
    const [status, listed, runs] = await Promise.all([
      get("/v1/status"), get("/v1/models?limit=20"), get("/v1/training-runs?limit=10"),
    ]);
    return { status, models: listed.models, runs };
  });
  return html`<${Ready} of=${read}>${({ status, models: listed, runs }) => {
    const names = namesOf(status);
    return html`
      ${listed.length ? html`<${History} models=${listed} names=${names}/>
        <ul class="cards wide">${listed.map((model) => html`<${Model} key=${model.id} model=${model}
          champion=${status.champion?.id} names=${names} done=${read.reload}/>`)}</ul>`
        : html`<p class="notice note">${t("models.none")}</p>`}
      <${Runs} runs=${runs}/>`;
  }}<//>`;
}

export const models = { path: "models", title: "models.title", view: Models };
