/** Virtual time in milliseconds since the Session began. Nothing in Hopscope reads a real clock while walking. */
export class Clock {
  now = 0;
}
