// @ts-check
// Keeps jobs up to date by their event streams, few at once, until they have ended.

/** @import { JobView } from "../shared/wire.d.ts" */
/** @typedef {(address: string) => EventSource} Open */
/** @typedef {{onJob: (job: JobView) => void, onRefused: (words: string) => void}} Listener */

// A browser opens about six connections to one site; streams must leave room for requests.
const MAX_STREAMS = 2;

/** @param {string} jobId */
export function jobPath(jobId) {
  return `/v1/jobs/${encodeURIComponent(jobId)}`;
}

/**
 * Follows jobs that run; `follow` names all that are to be followed, `leave` ends all streams.
 * @param {Listener} listener
 * @param {Open} [open]
 */
export function follower({ onJob, onRefused }, open = (address) => new EventSource(address)) {
  /** @type {Map<string, EventSource>} */
  const streams = new Map();
  /** @type {string[]} */
  let waiting = [];

  /** @param {string} jobId */
  const close = (jobId) => {
    streams.get(jobId)?.close();
    streams.delete(jobId);
    next();
  };
  const next = () => {
    while (streams.size < MAX_STREAMS && waiting.length)
      start(/** @type {string} */ (waiting.shift()));
  };
  /** @param {string} jobId */
  const start = (jobId) => {
    const source = open(`${jobPath(jobId)}/events`);
    streams.set(jobId, source);
    source.addEventListener("job", (event) => {
      /** @type {JobView} */
      const job = JSON.parse(event.data);
      if (job.state !== "running") close(jobId);
      onJob(job);
    });
    // Without data it is the connection: the browser connects again unless it was refused.
    source.addEventListener("error", (event) => {
      const data = /** @type {MessageEvent<string>} */ (event).data;
      if (!data && source.readyState !== 2) return;
      close(jobId);
      if (data) onRefused(JSON.parse(data).message);
    });
  };
  return {
    /** @param {Pick<JobView, "job_id" | "state">[]} jobs */
    follow(jobs) {
      const running = jobs.filter(({ state }) => state === "running").map(({ job_id }) => job_id);
      waiting = running.filter((jobId) => !streams.has(jobId));
      next();
    },
    leave() {
      waiting = [];
      for (const source of streams.values()) source.close();
      streams.clear();
    },
  };
}
