// @ts-check
// The gate's switch: a mode, where, and why; what drops every bound is confirmed by typing.

import { request } from "../shared/api.js";
import { byId, el, fill, setText } from "../shared/dom.js";
import { attempt, field, sender } from "../shared/forms.js";
import { isLoose, MODES, modeChoices, place, SURE, unboundWords } from "./gate.js";

/** @import { GateModeView, Mode } from "../shared/wire.d.ts" */

/** @param {() => Promise<void>} refresh draws what the switch has changed */
export function mountSwitch(refresh) {
  const options = modeChoices().map(({ mode, label }) => el("option", { value: mode }, label));
  fill(byId("new-mode"), options);
  const form = byId("switch");
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (isLoose(chosenMode())) confirmLoose(refresh);
    else attempt(byId("switched"), () => switchMode(refresh), sender(event));
  });
  const changed = () => {
    fill(byId("sure"));
    setText(byId("new-mode-meaning"), MODES[chosenMode()].meaning);
  };
  form.addEventListener("change", changed);
  changed();
}

function chosenMode() {
  const { value } = byId("new-mode", HTMLSelectElement);
  return /** @type {Mode} */ (value);
}

function chosenPlace() {
  return byId("collection", HTMLSelectElement).value;
}

/**
 * Neither a double click nor a wrong line of the list may drop the bound.
 * @param {() => Promise<void>} refresh
 */
function confirmLoose(refresh) {
  const word = el("input", {
    autocomplete: "off",
    spellcheck: "false",
    "data-testid": "sure-word",
  });
  const button = el(
    "button",
    { class: "danger", "data-testid": "sure" },
    "Release without a bound",
  );
  const back = el("button", { type: "button", "data-testid": "keep-mode" }, "Keep the mode");
  back.addEventListener("click", () => {
    fill(byId("sure"));
    byId("new-mode").focus();
  });
  const isTyped = () => word.value.trim().toLowerCase() === SURE;
  button.disabled = true;
  word.addEventListener("input", () => {
    button.disabled = !isTyped();
  });
  const form = el(
    "form",
    { class: "notice bad sure" },
    el("p", { role: "alert" }, unboundWords(chosenPlace())),
    field(`Type “${SURE}” to go on`, word),
    el("div", { class: "row" }, button, back),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (isTyped()) attempt(byId("switched"), () => switchMode(refresh), button);
  });
  fill(byId("sure"), form);
  word.focus();
}

/** @param {() => Promise<void>} refresh */
async function switchMode(refresh) {
  const reason = byId("reason", HTMLInputElement);
  const body = { mode: chosenMode(), reason: reason.value, collection: chosenPlace() };
  /** @type {GateModeView} */
  const done = await request("POST", "/v1/gate/mode", { body });
  reason.value = "";
  fill(byId("sure"));
  const said = `Switched: ${place(done)} is now in mode ${done.mode}.`;
  fill(byId("switched"), el("p", { class: "notice ok" }, said));
  await refresh();
}

/**
 * Changed only when a collection comes or goes, so that a choice being made is not lost.
 * @param {string[]} names
 */
export function drawPlaces(names) {
  const select = byId("collection", HTMLSelectElement);
  const present = [...select.options].map((option) => option.value);
  if (present.join("\n") === ["", ...names].join("\n")) return;
  const chosen = select.value;
  const options = names.map((name) => el("option", { value: name }, name));
  fill(select, el("option", { value: "" }, "The whole service"), options);
  select.value = names.includes(chosen) ? chosen : "";
}
