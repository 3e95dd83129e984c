// The program of the page "JavaScript". page/main_js.go does the same.

const element = id => document.getElementById(id);
const show = (id, text) => { element(id).textContent = text; };

// listen has f called when the event happens to the element.
const listen = (id, event, f) => element(id).addEventListener(event, e => {
	e.preventDefault();
	f();
});

const socket = new WebSocket(location.origin.replace("http", "ws") + "/chat");
socket.onopen = () => show("state", "open");
socket.onmessage = ({ data }) => {
	const line = document.createElement("li");
	line.textContent = data;
	element("log").append(line);
};
socket.onclose = ({ code, reason, wasClean }) => show("state", `closed: ${code} ${reason} ${wasClean}`);

listen("send", "submit", () => {
	const text = element("text");
	socket.send(text.value);
	text.value = "";
});
listen("leave", "click", () => socket.close(1000, "bye"));
