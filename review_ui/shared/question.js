// @ts-check
// Why a question cannot be sent as it is, in words.

/** Characters that the service takes. */
export const LONGEST = 4000;
const NUMBER = new Intl.NumberFormat("en-GB");

/**
 * "" where it can be sent.
 * @param {string} question
 */
export function questionProblem(question) {
  if (!question) return "Please write a question.";
  const length = [...question].length;
  if (length <= LONGEST) return "";
  const [most, written] = [LONGEST, length].map((count) => NUMBER.format(count));
  return `A question has at most ${most} characters; this one has ${written}. Please shorten it.`;
}

/**
 * A question that comes back to the field, before what was written there meanwhile.
 * @param {string} question
 * @param {string} written
 */
export function before(question, written) {
  return written.trim() && written.trim() !== question ? `${question}\n${written}` : question;
}
