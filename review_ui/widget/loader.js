// @ts-check
// What another site includes: a button, and the chat in a frame when it is pressed.

(() => {
  const script = document.currentScript;
  if (!(script instanceof HTMLScriptElement)) return;
  const service = new URL(script.src).origin;
  const { key, user, issued, signature, label = "Ask a question" } = script.dataset;
  if (!key) return console.error("Countersign: the script needs data-key.");
  const place = `countersign.visit.${key}`;

  const SHEET = `
    button { position: fixed; right: 1rem; bottom: 1rem; z-index: 2147483000; min-height: 3rem;
      padding: 0 1.25rem; border: 0; border-radius: 999px; background: #1d4f8c; color: #fff;
      font: 600 1rem system-ui, sans-serif; box-shadow: 0 4px 16px rgb(0 0 0 / 25%);
      cursor: pointer; }
    button:focus-visible { outline: 3px solid #8fbcf3; outline-offset: 2px; }
    iframe { position: fixed; right: 1rem; bottom: 4.75rem; z-index: 2147483000; border: 0;
      width: min(25rem, calc(100vw - 2rem)); height: min(38rem, calc(100dvh - 6rem));
      border-radius: 12px; box-shadow: 0 8px 30px rgb(0 0 0 / 25%); background: Canvas;
      color-scheme: light dark; }
    @media (max-width: 30rem) {
      iframe { right: 0; width: 100vw; height: calc(100dvh - 5.5rem); border-radius: 12px 12px 0 0; }
    }
    [hidden] { display: none; }`;

  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(SHEET);
  root.adoptedStyleSheets = [sheet]; // a site's own policy may forbid style elements
  const said = { type: "button", textContent: label };
  const button = Object.assign(document.createElement("button"), said);
  button.setAttribute("aria-expanded", "false");
  root.append(button);
  const show = () => document.body.append(host);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", show);
  else show();

  /** @type {HTMLIFrameElement | null} */
  let frame = null;

  function makeFrame() {
    const made = document.createElement("iframe");
    const told = new URLSearchParams({ label, kept: kept() ?? "" });
    for (const [name, value] of Object.entries({ user, issued, signature })) {
      if (value) told.set(name, value);
    }
    made.title = label;
    // It may not lead the site's visitors elsewhere.
    made.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms");
    made.setAttribute("allow", "clipboard-write");
    made.src = `${service}/widget?key=${encodeURIComponent(key ?? "")}#${told}`;
    root.append(made);
    return made;
  }

  /**
   * What a frame without storage has us keep; a site may be denied it as well.
   * @param {string} [value]
   */
  function kept(value) {
    try {
      if (value) sessionStorage.setItem(place, value);
      return sessionStorage.getItem(place);
    } catch {
      return null;
    }
  }

  /** @param {boolean} open */
  function toggle(open) {
    frame ??= makeFrame();
    frame.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    (open ? frame : button).focus();
    if (open) frame.contentWindow?.postMessage("countersign:opened", service);
  }

  button.addEventListener("click", () => toggle(frame === null || frame.hidden === true));
  window.addEventListener("message", ({ source, origin, data }) => {
    const ours = frame !== null && source === frame.contentWindow && origin === service;
    if (ours && data === "countersign:close") toggle(false);
    if (ours && typeof data?.keep === "string") kept(data.keep);
  });
  root.addEventListener("keydown", (event) => {
    if (event instanceof KeyboardEvent && event.key === "Escape" && frame) toggle(false);
  });
})();
