// @ts-check
// Tells of answers that changed while nobody looked: in the title of the page until it is seen.

const TITLE = document.title;
/** What the page does when an answer that waited has changed. */
export const NEWS = "countersign-news";

let unseen = 0;

/** An answer that was shown before has changed: it was released, refused, corrected or withdrawn. */
export function tellOfNews() {
  document.dispatchEvent(new Event(NEWS));
  if (!document.hidden) return;
  unseen += 1;
  document.title = `(${unseen}) ${TITLE}`;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unseen = 0;
  document.title = TITLE;
});
