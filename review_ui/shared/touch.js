// @ts-check
// Whether fingers are what a page is used with: then a field that has the focus hides half of it.

/** A screen that is touched, and no mouse. */
export const TOUCHED = "(hover: none) and (pointer: coarse)";
