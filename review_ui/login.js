// The sign-in page.

import { loadSession, safeNext, signIn } from "./api.js";
import { byId, el, fill } from "./dom.js";

function target(session) {
  const reviewsOnly = session.roles.includes("reviewer") && !session.roles.includes("asker");
  const next = new URLSearchParams(location.search).get("next");
  return safeNext(next, reviewsOnly ? "/review" : "/");
}

async function submit(event) {
  event.preventDefault();
  const button = byId("submit");
  button.disabled = true;
  fill(byId("login-error"));
  try {
    location.replace(target(await signIn(byId("username").value, byId("password").value)));
  } catch (error) {
    button.disabled = false;
    showError(error.status === 401 ? "Wrong name or password." : error.message);
  }
}

function showError(message) {
  const props = { class: "notice bad", role: "alert", "data-testid": "error" };
  fill(byId("login-error"), el("p", props, message));
  byId("password").select();
}

byId("login").addEventListener("submit", submit);
loadSession().then(
  (session) => session && location.replace(target(session)),
  (error) => showError(error.message),
);
