// @ts-check
// The sign-in page.

import { ApiError, loadSession, messageOf, signIn } from "../shared/api.js";
import { byId, el, fill } from "../shared/dom.js";
import { landing } from "./landing.js";

/** @import { SessionView } from "../shared/wire.d.ts" */

/** @param {SessionView} session */
function leave(session) {
  const next = new URLSearchParams(location.search).get("next");
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

function passwordField() {
  return byId("password", HTMLInputElement);
}

/** @param {string} message */
function showError(message) {
  const props = { class: "notice bad", role: "alert", "data-testid": "error" };
  fill(byId("login-error"), el("p", props, message));
  passwordField().select();
}

byId("login").addEventListener("submit", submit);
// Until here the button is out of use: the form alone cannot sign anybody in.
byId("submit", HTMLButtonElement).disabled = false;
loadSession().then(
  (session) => session && leave(session),
  (error) => showError(messageOf(error)),
);
