// @ts-check
// The sign-in page.

import { ApiError, exchange, loadSession, messageOf, signIn } from "../shared/api.js";
import { byId, el, fill, setText } from "../shared/dom.js";
import { landing, returned } from "./landing.js";

/** @import { SessionView } from "../shared/wire.d.ts" */

const NEXT = "countersign.next";

/** @param {SessionView} session */
function leave(session) {
  const next = new URLSearchParams(location.search).get("next") ?? sessionStorage.getItem(NEXT);
  sessionStorage.removeItem(NEXT);
  location.replace(landing(session.roles, next));
}

/** @param {SubmitEvent} event */
async function submit(event) {
  event.preventDefault();
  const button = byId("submit", HTMLButtonElement);
  button.disabled = true;
  fill(byId("login-error"));
  try {
    const [name, password] = [byId("username", HTMLInputElement), passwordField()];
    leave(await signIn(name.value, password.value));
  } catch (error) {
    button.disabled = false;
    const wrong = error instanceof ApiError && error.status === 401;
    showError(wrong ? "The name or the password is wrong." : messageOf(error));
  }
}

/** Shows the provider's button where there is a provider. */
async function offerProvider() {
  const { oidc } = await (await exchange("GET", "/v1/session/methods", {})).json();
  if (!oidc) return;
  setText(byId("oidc"), oidc);
  byId("oidc").addEventListener("click", () => goToProvider().catch(failed));
  byId("provider").hidden = false;
}

async function goToProvider() {
  const { address } = await (await exchange("POST", "/v1/session/oidc", {})).json();
  sessionStorage.setItem(NEXT, new URLSearchParams(location.search).get("next") ?? "");
  location.assign(address);
}

/** Finishes what began at the provider, when the browser comes back from there. */
async function finish() {
  const back = returned(location.search);
  if (!back) return false;
  // The code counts once: neither a reload nor the history may send it again.
  history.replaceState(null, "", "/login");
  if (!back.code) throw new Error("The provider did not sign you in.");
  const { state, code } = back;
  const response = await exchange("POST", "/v1/session/oidc/finish", { body: { state, code } });
  leave(await response.json());
  return true;
}

/** @param {unknown} error */
function failed(error) {
  showError(messageOf(error));
}

function passwordField() {
  return byId("password", HTMLInputElement);
}

/** @param {string} message */
function showError(message) {
  const props = { class: "notice bad", role: "alert", "data-testid": "error" };
  fill(byId("login-error"), el("p", props, message));
  passwordField().select();
}

byId("ended").hidden = !new URLSearchParams(location.search).has("ended");
byId("login").addEventListener("submit", submit);
// Until here the button is out of use: the form alone cannot sign anybody in.
byId("submit", HTMLButtonElement).disabled = false;
offerProvider().catch(failed);
finish()
  .then(async (done) => {
    const session = !done && (await loadSession());
    if (session) leave(session);
  })
  .catch(failed);
