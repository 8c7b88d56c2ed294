import Foundation
import GatewayServer

/// A line of standard input that nobody else sees.
enum SecretInput {
    /// Asks on standard error where standard input is a terminal, which then does not show what is typed. Nil at the end of the
    /// input, and where the terminal cannot be kept from showing it.
    static func read(prompt: String) -> String? {
        guard isatty(STDIN_FILENO) == 1 else { return readLine() }
        var shown = termios()
        guard tcgetattr(STDIN_FILENO, &shown) == 0 else { return nil }
        var hidden = shown
        // Without ISIG, Ctrl-C makes the key invalid, and does not end the process while the terminal shows nothing.
        hidden.c_lflag &= ~tcflag_t(ECHO | ISIG)
        // Before the prompt is shown, so that an answer that is pasted at once is hidden too. What was typed earlier is dropped.
        guard tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0 else { return nil }
        StandardStreams.write(prompt, to: STDERR_FILENO)
        defer {
            tcsetattr(STDIN_FILENO, TCSANOW, &shown)
            StandardStreams.write("\n", to: STDERR_FILENO)
        }
        return readLine()
    }
}
