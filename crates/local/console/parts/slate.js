// A slate with why each item is on it, and what was left out.

import { html } from "../html.js";
import { figure, number, signed, t } from "../text/index.js";
import { Table } from "./table.js";

const SHOWN = 5;

/** What each past item adds, and their order, as bars on both sides of zero. */
function Contributions({ item, names }) {
  const { parts, sequence, words, rest, multiplier } = item.contributions;
  const shown = parts.slice(0, SHOWN);
  const remainder = rest + parts.slice(SHOWN).reduce((sum, part) => sum + part.amount, 0);
  const bars = shown.map((part) => ({
    label: part.title ?? part.item_id ?? t("try.elsewhere", { domain: names(part.domain) }),
    domain: names(part.domain), amount: part.amount,
  }));
  if (sequence !== undefined) bars.push({ label: t("try.sequence"), amount: sequence });
  if (words !== undefined) bars.push({ label: t("try.words"), amount: words });
  if (item.reason?.code === "tentative" && Math.abs(remainder) > 5e-4) {
    bars.push({ label: t("try.popular"), amount: remainder });
  } else if (!bars.length) {
    bars.push({ label: t(item.reason?.code === "new" ? "try.new" : "try.popular"), amount: rest });
  } else if (Math.abs(remainder) > 5e-4) {
    bars.push({ label: t("try.rest"), amount: remainder });
  }
  const most = Math.max(1e-9, ...bars.map((bar) => Math.abs(bar.amount)));
  return html`<ul class="bars">${bars.map((bar) => html`<li>
    <span class="label">${bar.label}${bar.domain ? html` <small>${bar.domain}</small>` : null}</span>
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class=${bar.amount < 0 ? "bad" : "good"} x=${bar.amount < 0 ? 50 - (50 * -bar.amount) / most : 50} y="1" width=${(50 * Math.abs(bar.amount)) / most} height="6"/>
      <line x1="50" x2="50" y1="0" y2="8"/></svg>
    <span class="amount">${signed(bar.amount)}</span></li>`)}</ul>
    ${multiplier === undefined ? null : html`<p class="hint">${t("try.multiplied", { factor: figure(multiplier) })}</p>`}`;
}

const OFFER = ["kind", "currency", "price", "down_payment", "financed", "term_months", "number_of_payments",
  "payment_every_months", "payment", "last_payment", "residual", "fees", "nominal_annual_rate_percent", "total_cost_of_credit",
  "total_payable", "basis"];

/** What an offer costs: all of it, wherever some of it is shown. */
function Offer({ offer }) {
  const lists = [["annual_rates", offer.annual_rates], ["assumptions", offer.assumptions], ["unchecked", offer.unchecked]];
  const told = (value) => (Array.isArray(value) ? value : Object.entries(value).map(([name, of]) => `${name} ${of}`)).join(t("comma"));
  const rows = [
    ...OFFER.filter((name) => offer[name] !== undefined).map((name) => [t(`offer.${name}`), `${offer[name]}`]),
    ...lists.filter(([, value]) => value !== undefined).map(([name, value]) => [t(`offer.${name}`), told(value)]),
  ];
  return html`<dl class="offer">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

export function Slate({ slate, names }) {
  if (!slate.items.length) return html`<p class="notice note">${t("try.empty")}</p>`;
  return html`<ol class="slate">${slate.items.map((item) => html`<li>
    <div class="row"><strong>${item.title || item.item_id}</strong><span class="score">${figure(item.score)}</span></div>
    <p class="hint">${names(item.domain)} · <code>${item.item_id}</code>${item.promoted ? html` · <em>${t("try.promoted")}</em>` : null}${item.reason ? html` · ${item.reason.text}` : null}</p>
    ${item.offer ? html`<${Offer} offer=${item.offer}/>` : null}
    ${item.contributions ? html`<${Contributions} item=${item} names=${names}/>` : null}
  </li>`)}</ol>`;
}

export function LeftOut({ inspection, targets, names }) {
  const hidden = targets.filter((target) => !inspection.some((of) => of.domain === target));
  return html`${inspection.map((of) => {
    const samples = (rule) => {
      const named = rule.samples.map((sample) => sample.title ?? sample.item_id).join(t("comma"));
      return rule.items > rule.samples.length ? t("try.andmore", { named, more: number(rule.items - rule.samples.length) }) : named;
    };
    const rows = of.left_out.map((rule) => [t(`rule.${rule.rule}`), number(rule.items), samples(rule)]);
    return html`<h3>${names(of.domain)}</h3><p>${t("try.eligible", { items: number(of.eligible) })}</p>
      ${rows.length ? html`<${Table} caption=${t("try.leftout.of", { domain: names(of.domain) })} numeric=${[1]}
        columns=${[t("rule"), t("intake.items"), t("which")]} rows=${rows}/>` : html`<p>${t("try.noneleft")}</p>`}`;
  })}${hidden.length ? html`<p class="hint">${t("try.nottold", { domains: hidden.map(names).join(t("comma")) })}</p>` : null}`;
}
