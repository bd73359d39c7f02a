/** An answer checked beside a measurement is wrong: there is no figure then. */
export class WrongAnswer extends Error {}
