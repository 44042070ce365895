// The public API, as `infra/openapi.yaml` describes it. Nothing else is called.

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";

/** The bearer token; in memory alone, gone with the page. */
export const token = signal("");

/** Why a call was refused or failed: `status`, `code`, `detail`. */
export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail);
    Object.assign(this, { status, code, detail });
  }
}

async function call(method, path, body) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token.value) headers.Authorization = `Bearer ${token.value}`;
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch (error) {
    throw new Problem(0, "unreachable", String(error.message ?? error));
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Problem(response.status, answer.code ?? "unknown", answer.detail ?? "");
  }
  return answer;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const patch = (path, body) => call("PATCH", path, body);

/** Whether something is not there, as opposed to not having been answered. */
export const isAbsent = (error) => error instanceof Problem && error.status === 404;

/** Reads something when a component appears, and again when asked to or `inputs` change. */
export function useRead(read, inputs = []) {
  const [state, set] = useState({ loading: true });
  const [round, again] = useState(0);
  useEffect(() => {
    let current = true;
    read().then(
      (value) => current && set({ value }),
      (error) => current && set({ error }),
    );
    return () => { current = false; };
  }, [...inputs, round, token.value]);
  return { ...state, reload: () => again((n) => n + 1) };
}

/** The report of the champion, with its status; neither while there is no champion. */
export async function championReport(status) {
  if (!status.champion) return null;
  const id = encodeURIComponent(status.champion.training_run);
  return get(`/v1/training-runs/${id}/report`).catch((error) => {
    if (isAbsent(error)) return null;
    throw error;
  });
}
