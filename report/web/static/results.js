// Labels the button with what it will do, and gives each time a title in the reader's time zone.

const form = document.querySelector("#runs");
const button = form?.querySelector("button");

function count() {
  const ticked = form.querySelectorAll(":checked").length;
  const most = Number(form.dataset.most);
  button.disabled = ticked < 2 || ticked > most;
  button.textContent =
    ticked < 2 ? "Tick two or more to lay them side by side" :
    ticked > most ? `Tick at most ${most} to lay them side by side` :
    `Lay ${ticked} runs side by side`;
}

if (button) {
  count();
  form.addEventListener("change", count);
  addEventListener("pageshow", count); // going back in the browser restores the ticks
}

for (const time of document.querySelectorAll("time")) {
  const local = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "full", timeStyle: "short" });
  time.title = `${local}, your time`;
}
