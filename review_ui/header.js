// The page header's changing parts, and the page-wide error line.

import { signOut } from "./api.js";
import { byId, el, fill, setText } from "./dom.js";

/** Shows who is signed in and the links that person may use. */
export function mountHeader(session) {
  setText(byId("who"), session.name);
  const reviewLink = byId("review-link");
  if (reviewLink) reviewLink.hidden = !session.roles.includes("reviewer");
  const operationsLink = byId("operations-link");
  if (operationsLink) operationsLink.hidden = !session.roles.includes("operator");
  const button = byId("signout");
  button.classList.remove("vanished");
  button.addEventListener("click", () => signOut().catch(showPageError));
  // A page kept by the browser for "Back" must not show the last user's answers after sign-out.
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
}

/** Shows an error that concerns the whole page; the same one again stays as it is. */
export function showPageError(error) {
  if (byId("page-error").querySelector("p")?.textContent === error.message) return;
  const again = el("button", { type: "button", onclick: () => location.reload() }, "Reload the page");
  const line = el("p", {}, error.message);
  const box = el("div", { class: "notice bad", role: "alert", "data-testid": "error" }, line, again);
  fill(byId("page-error"), box);
}
