"""What the earlier designs tell their users to run: the lines of their own pages, with nothing changed in them.

`moved` gives a line another host and port, and another token where it says that one goes there; a scheme with a lock
loses it, because the system of these tests has no certificate.
"""

from urllib.parse import urlsplit

B_LOGIN = "curl -X POST http://localhost:8080/temp-login"

B_NOTIFY = """\
curl -X POST http://localhost:8080/notify \\
  -H "Content-Type: application/json" \\
  -d '{"userId": "19", "message": "Hello from server!"}'
"""

B_SOCKET = """\
const ws = new WebSocket('ws://localhost:8080?token=YOUR_ACCESS_TOKEN');

ws.onopen = () => {
  console.log('Connected');
};

ws.onmessage = (event) => {
  const data = JSON.parse(event.data);
  console.log('Received:', data);
  // { type: "NOTIFICATION", data: { message: "..." } }
};

ws.onerror = (error) => {
  console.error('WebSocket error:', error);
};

ws.onclose = () => {
  console.log('Disconnected');
};
"""

A_NOTIFICATION = """\
{
  "userId": "12345",
  "eventType": "new_message",
  "data": {
    "message": "You have a new message!",
    "timestamp": "2025-01-15T14:30:00Z"
  }
}
"""

D_SOCKET = """\
import { io } from "socket.io-client";

const socket = io("http://localhost:3000", {
  auth: {
    token: "your-jwt-token"
  }
});

// Listen for new notifications
socket.on("new_notification", (notification) => {
  console.log("New notification:", notification);
});

// Send a notification
socket.emit("send_notification", {
  recipientId: "user-123",
  message: "Hello, this is a test notification!"
}, (response) => {
  if (response.success) {
    console.log("Notification sent successfully");
  } else {
    console.error("Failed to send notification:", response.error);
  }
});
"""

D_WEBHOOK = """\
curl -X POST http://localhost:3000/webhook/notify \\
  -H "Content-Type: application/json" \\
  -d '{
    "recipientId": "user-123",
    "message": "System notification",
    "apiKey": "your-webhook-api-key"
  }'
"""

E_ADDRESS = "ws://chat.example.com/socket?token=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9..."
E_TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9..."

E_MESSAGE = """\
{
  "type": "message",
  "content": "Hello, world!",
  "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9..."
}
"""

E_PLAIN = "const socket = new WebSocket('wss://chat.example.com/socket');\n"
"""With the cookie `auth_token`; with a custom header the page has one more line, and no WebSocket has that method."""

E_SESSION = """\
async function connectWebSocket() {
  const response = await fetch('https://chat.example.com/auth', {
    method: 'POST',
    body: JSON.stringify({ username, password }),
    headers: { 'Content-Type': 'application/json' }
  });
  const { sessionId } = await response.json();
  const socket = new WebSocket(`wss://chat.example.com/socket?session=${sessionId}`);
}
"""

E_FIRST_MESSAGE = """\
const socket = new WebSocket('wss://chat.example.com/socket');
socket.onopen = () => {
  socket.send(JSON.stringify({ type: 'auth', token: 'your-auth-token' }));
};
"""

_HOSTS = ("localhost:8080", "localhost:3000", "chat.example.com")


def moved(snippet: str, *, api: str = "", node: str = "", **tokens: str) -> str:
    """A snippet for this system: `api` and `node` are URLs, `tokens` what stands for them (`your_auth_token=…`)."""
    text = snippet.replace("wss://", "ws://").replace("https://", "http://")
    for host in _HOSTS:
        for scheme, url in (("http", api or node), ("ws", node or api)):
            text = text.replace(f"{scheme}://{host}", f"{scheme}://{urlsplit(url).netloc}")
    for name, token in tokens.items():
        placeholder = E_TOKEN if name == "e_token" else name
        for spelled in (placeholder, placeholder.replace("_", "-")):
            text = text.replace(spelled, token)
    return text
