/** What one can do: the server's tasks, and removing as a mode of its own. */

import type { Info } from "./api";
import type { Mode } from "./form";

export function modesOf(info: Info): Mode[] {
  return info.tasks.flatMap((task) => {
    const mode: Mode = { key: task.name, task, title: task.title, hint: task.hint, verb: task.verb };
    if (task.name !== "inpaint") return [mode];
    const remove: Mode = {
      key: "remove", task, title: "Remove", verb: "Remove",
      hint: "Paint over what shall go. What lies around it fills the place; nothing has to be described.",
    };
    return [{ ...mode, hint: "Paint over what shall change and say what the whole picture should show in the end. Every other pixel comes back as it was. Drag an edge to expand the picture." }, remove];
  });
}
