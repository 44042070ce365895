// The language of the page: the browser's, until another is chosen.

import { computed, signal } from "@preact/signals";
import en from "./en.js";
import zhCN from "./zh-CN.js";

/** Languages with their dictionaries. Both have the same keys; a test holds that. */
export const languages = { en, "zh-CN": zhCN };

const STORED = "crossfold.language";

function first() {
  const chosen = localStorage.getItem(STORED);
  if (chosen in languages) return chosen;
  const wanted = navigator.languages ?? [navigator.language];
  for (const tag of wanted) {
    if (/^zh\b/i.test(tag)) return "zh-CN";
    if (/^en\b/i.test(tag)) return "en";
  }
  return "en";
}

export const language = signal(first());

export function choose(tag) {
  language.value = tag;
  localStorage.setItem(STORED, tag);
}

const dictionary = computed(() => languages[language.value]);

/** A text with its `{names}` filled in. */
export function t(key, values = {}) {
  const text = dictionary.value[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** The text for a stable code of the API; the code itself where there is none. */
export function ofCode(code) {
  return dictionary.value[`code.${code}`] ?? code;
}

export const number = (value) => new Intl.NumberFormat(language.value).format(value);

export const percent = (share) =>
  new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: 1 }).format(share);

export const time = (text) =>
  new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }).format(new Date(text));

const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** How long ago something was. */
export function ago(text, now = Date.now()) {
  const seconds = Math.round((new Date(text) - now) / 1000);
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS[3];
  const format = new Intl.RelativeTimeFormat(language.value, { numeric: "auto" });
  return format.format(Math.round(seconds / length), unit);
}

/** A figure such as NDCG, to three places. */
export const figure = (value) => (value === undefined || value === null ? "–" : value.toFixed(3));

export const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3);
