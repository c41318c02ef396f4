// @ts-check
// The review page as it comes into view: who is signed in, and the most urgent tasks. What works on
// them is read once these are painted.

import { request, requireSession } from "../shared/api.js";
import { byId, painted } from "../shared/dom.js";
import { explainNoAccess, mountHeader, showPageError } from "../shared/header.js";
import { drawList } from "./list.js";
import * as states from "./state.js";

async function main() {
  // Asked for beside the session: whoever may not see it is told so by what the session says.
  const path = states.listPath(states.begin(""), states.FIRST_ROWS);
  const first = request("GET", path).catch(() => null);
  const session = await requireSession();
  mountHeader(session);
  if (!session.roles.includes("reviewer")) {
    return explainNoAccess("This account is not a reviewer.");
  }
  const list = await first;
  const begun = states.begin(session.name);
  const { filter } = begun;
  const shown = list ? states.listed(begun, { filter, ...states.listOf(list) }) : begun;
  if (list) drawList(shown);
  await painted();
  document.head.append(byId("later", HTMLTemplateElement).content);
  const { openDesk } = await import("./desk.js");
  await openDesk(shown, list !== null);
}

main().catch(showPageError);
