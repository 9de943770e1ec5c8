// A program that a test drives: a command in JSON on each line in, what happens on each line out.
import { createInterface } from "node:readline";

export const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

export function obey(commands) {
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const command = JSON.parse(line);
      commands[command.do](command);
    })
    .on("close", () => process.exit(0));
  tell({ on: "ready" });
}
