/** The end of a command's help: lines that work as typed, with the bundled example, and what each shows. */
export function examples(lines: readonly (readonly [command: string, shows: string])[]): string {
  const body = lines.map(([command, shows]) => `  # ${shows}\n  $ hopscope ${command}`);
  return ["\nExamples:", ...body].join("\n");
}
