// @ts-check
// Reads server-sent events from a fetch body (EventSource cannot send a POST).

// A carriage return at the very end may be half of "\r\n", so it waits for what follows.
const LINE_END = /\r\n|\n|\r(?!$)/;

/**
 * Yields each complete event; an unfinished last one is dropped.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {AsyncGenerator<{event: string, data: string}>}
 */
export async function* readEvents(body) {
  /** @type {Map<string, string[]>} */
  let fields = new Map();
  for await (const line of readLines(body)) {
    if (line) {
      const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      fields.set(field, [...(fields.get(field) ?? []), value]);
      continue;
    }
    const data = fields.get("data");
    if (data) yield { event: fields.get("event")?.at(-1) || "message", data: data.join("\n") };
    fields = new Map();
  }
}

/** @param {ReadableStream<Uint8Array<ArrayBuffer>>} body */
async function* readLines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    for (let end = LINE_END.exec(buffer); end; end = LINE_END.exec(buffer)) {
      yield buffer.slice(0, end.index);
      buffer = buffer.slice(end.index + end[0].length);
    }
  }
}
