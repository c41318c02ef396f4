// @ts-check
// What another site includes: a button, and the chat in a frame when it is pressed.

// A block, and classes in it, leave no names on the site's pages.
{
  /** A frame that has loaded and says nothing for so long shows no chat. */
  const SILENT_MS = 3000;
  const NOT_SHOWN = "The chat cannot be shown now. Please try again later.";
  const OPENED = "countersign:opened";

  // The site's own rules for such elements reach the host: none of them may move or hide it.
  const SHEET = `
    :host { all: initial !important; }
    button, iframe, p { position: fixed; inset-inline: auto 1rem; z-index: 2147483000; }
    :host([data-side="start"]) :is(button, iframe, p) { inset-inline: 1rem auto; }
    button { bottom: 1rem; min-height: 3rem; padding: 0 1.25rem; border: 0; border-radius: 999px;
      background: #1d4f8c; color: #fff; font: 600 1rem system-ui, sans-serif;
      box-shadow: 0 4px 16px rgb(0 0 0 / 25%); cursor: pointer; }
    button:focus-visible { outline: 3px solid #8fbcf3; outline-offset: 2px; }
    p { bottom: 4.75rem; max-width: min(22rem, calc(100vw - 4rem)); margin: 0;
      padding: 0.75rem 1rem; border-radius: 12px; background: #fff; color: #1c222b;
      font: 1rem/1.5 system-ui, sans-serif; box-shadow: 0 8px 30px rgb(0 0 0 / 25%); }
    iframe { bottom: 4.75rem; border: 0;
      width: min(25rem, calc(100vw - 2rem)); height: min(38rem, calc(100dvh - 6rem));
      border-radius: 12px; box-shadow: 0 8px 30px rgb(0 0 0 / 25%); background: Canvas;
      color-scheme: light dark; }
    @media (max-width: 30rem) {
      :host iframe { inset-inline: 0 !important; width: 100vw; height: calc(100dvh - 5.5rem);
        border-radius: 12px 12px 0 0; }
    }
    [hidden], p:empty { display: none; }`;

  class Chat {
    /** @type {HTMLIFrameElement | null} */
    frame = null;
    ready = false;

    /**
     * @param {string} service its origin
     * @param {string} key
     * @param {DOMStringMap} told what the site's page says: user, issued, signature, side, label
     */
    constructor(service, key, told) {
      this.service = service;
      this.key = key;
      this.told = told;
      this.label = told.label ?? "Ask a question";
      this.place = `countersign.visit.${key}`;
      this.host = document.createElement("div");
      this.root = this.host.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(SHEET);
      this.root.adoptedStyleSheets = [sheet]; // a site's own policy may forbid style elements
      const said = { type: "button", textContent: this.label };
      this.button = Object.assign(document.createElement("button"), said);
      this.button.setAttribute("aria-expanded", "false");
      this.problem = document.createElement("p");
      this.problem.setAttribute("role", "alert");
      this.root.append(this.button, this.problem);
      this.listen();
    }

    listen() {
      this.button.addEventListener("click", () => this.toggle(this.frame?.hidden !== false));
      window.addEventListener("message", (event) => this.hear(event));
      // One chat at a time: on a phone one would lie over the other.
      window.addEventListener(OPENED, (event) => {
        if (event instanceof CustomEvent && event.detail !== this.key) this.show(false);
      });
      this.root.addEventListener("keydown", (event) => {
        if (event instanceof KeyboardEvent && event.key === "Escape" && this.frame)
          this.toggle(false);
      });
    }

    /** The second chat of a page stands on its other side; the same one does not stand twice. */
    put() {
      const others = [...document.querySelectorAll("[data-countersign]")];
      if (others.some((one) => one.getAttribute("data-countersign") === this.key)) return;
      this.host.dataset.countersign = this.key;
      this.host.dataset.side = this.told.side ?? (others.length % 2 ? "start" : "end");
      document.body.append(this.host);
    }

    /** @param {boolean} open */
    toggle(open) {
      this.problem.replaceChildren();
      this.frame ??= this.makeFrame();
      this.show(open);
      (open ? this.frame : this.button).focus();
      if (!open) return;
      this.frame.contentWindow?.postMessage(OPENED, this.service);
      window.dispatchEvent(new CustomEvent(OPENED, { detail: this.key }));
    }

    /** @param {boolean} open */
    show(open) {
      if (this.frame) this.frame.hidden = !open;
      this.button.setAttribute("aria-expanded", String(open));
    }

    makeFrame() {
      const made = document.createElement("iframe");
      const { user, issued, signature } = this.told;
      const { lang } = document.documentElement;
      const told = new URLSearchParams({ label: this.label, kept: this.kept() ?? "" });
      for (const [name, value] of Object.entries({ lang, user, issued, signature })) {
        if (value) told.set(name, value);
      }
      made.title = this.label;
      // It may not lead the site's visitors elsewhere.
      made.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms");
      made.setAttribute("allow", "clipboard-write");
      this.ready = false;
      const look = () => this.ready || this.notShown(made);
      made.addEventListener("load", () => setTimeout(look, SILENT_MS));
      made.src = `${this.service}/widget?key=${encodeURIComponent(this.key)}#${told}`;
      this.root.append(made);
      return made;
    }

    /**
     * A browser that keeps the frame away says so to nobody: a visitor would look at an empty box.
     * @param {HTMLIFrameElement} made
     */
    notShown(made) {
      if (this.frame !== made) return;
      this.toggle(false);
      made.remove();
      this.frame = null;
      const words = document.createElement("span");
      this.problem.append(Object.assign(words, { lang: "en", dir: "ltr", textContent: NOT_SHOWN }));
      console.error(
        `Countersign: the chat of ${this.service} was not shown. The key must be in use and name ` +
          `this site (${location.origin}), and the site's Content-Security-Policy must allow ` +
          `${this.service} in frame-src.`,
      );
    }

    /** @param {MessageEvent} event */
    hear({ source, origin, data }) {
      if (!this.frame || source !== this.frame.contentWindow || origin !== this.service) return;
      if (data === "countersign:ready") this.ready = true;
      if (data === "countersign:close") this.toggle(false);
      if (typeof data?.keep === "string") this.kept(data.keep);
    }

    /**
     * What a frame without storage has us keep; a site may be denied it as well.
     * @param {string} [value]
     */
    kept(value) {
      try {
        if (value) sessionStorage.setItem(this.place, value);
        return sessionStorage.getItem(this.place);
      } catch {
        return null;
      }
    }
  }

  const script = document.currentScript;
  if (script instanceof HTMLScriptElement) {
    const { key } = script.dataset;
    if (key) {
      const chat = new Chat(new URL(script.src).origin, key, { ...script.dataset });
      if (document.readyState !== "loading") chat.put();
      else document.addEventListener("DOMContentLoaded", () => chat.put());
    } else console.error("Countersign: the script needs data-key.");
  }
}
