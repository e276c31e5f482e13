package fallout.engine;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/**
 * A Camunda 7 engine (or Operaton, by Maven profile) with REST and Cockpit, and nothing of ours in it: the starters on
 * the class path do the work, application.yaml sets them up. It is not in the default package, because Spring would
 * then scan every jar for components.
 */
@SpringBootApplication
public class Engine {
    public static void main(String[] args) {
        SpringApplication.run(Engine.class, args);
    }
}
