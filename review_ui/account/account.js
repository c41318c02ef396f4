// @ts-check
// One's own account: who is signed in, and a new password.

import { request, requireSession, signOut } from "../shared/api.js";
import { byId, el, fill } from "../shared/dom.js";
import { listed, moment } from "../shared/format.js";
import { attempt, sender, tell } from "../shared/forms.js";
import { mountHeader, showPageError } from "../shared/header.js";

async function main() {
  const session = await requireSession();
  mountHeader(session);
  const facts = [
    ["Name", session.name],
    ["Roles", listed(session.roles)],
    ["Signed in until", moment(session.expires_at)],
  ];
  const shown = facts.map(([name, value]) => [
    el("dt", {}, name),
    el("dd", { dir: "auto" }, value),
  ]);
  fill(byId("facts"), shown);
  byId("leave").addEventListener("click", () => signOut().catch(showPageError));
  byId("change").addEventListener("submit", change);
  byId("submit", HTMLButtonElement).disabled = false;
}

/** @param {SubmitEvent} event */
function change(event) {
  event.preventDefault();
  const [current, chosen, again] = ["current", "new", "again"].map((id) =>
    byId(id, HTMLInputElement),
  );
  if (!current || !chosen || !again) return;
  const told = byId("changed");
  if (chosen.value !== again.value) {
    again.focus();
    return tell(told, "bad", "The two new passwords differ.");
  }
  attempt(
    told,
    async () => {
      const body = { current: current.value, new: chosen.value };
      await request("PUT", "/v1/session/password", { body });
      byId("change", HTMLFormElement).reset();
      tell(told, "ok", "Your password was changed. Every other sign-in of yours has ended.");
    },
    sender(event),
  );
}

main().catch(showPageError);
